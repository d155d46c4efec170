"""The end of a process: Ctrl-C or SIGTERM, once, quietly."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException


def interrupt_once() -> None:
    """Makes the first SIGINT raise KeyboardInterrupt, and every later one nothing. Call it before `rclpy.init`.

    A second Ctrl-C would cut the cleaning up short.
    """

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)


@contextlib.contextmanager
def until_shutdown() -> Iterator[None]:
    """Around spinning: Ctrl-C, SIGTERM, and what a callback raises because its context is gone, end it quietly."""
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise
