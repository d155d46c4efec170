"""Ctrl-C ends a process once: a second one does not cut its cleaning up short."""

from __future__ import annotations

import signal
from typing import Any


def interrupt_once() -> None:
    """Makes the first SIGINT raise KeyboardInterrupt, and every later one nothing. Call it before `rclpy.init`."""

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
