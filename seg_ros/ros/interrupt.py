"""The end of spinning: Ctrl-C or SIGTERM, quietly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import rclpy
from rclpy.executors import ExternalShutdownException


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
