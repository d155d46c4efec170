"""Begins and ends the use of ROS in a process: Ctrl-C or SIGTERM ends it quietly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import rclpy
from rclpy.executors import ExternalShutdownException


@contextlib.contextmanager
def until_shutdown() -> Iterator[None]:
    """Ends the block quietly on Ctrl-C, on SIGTERM, and on what a callback raises because its context is gone."""
    try:
        yield
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():
            raise


@contextlib.contextmanager
def session(args: list[str] | None = None) -> Iterator[None]:
    """Initialises rclpy for the block, which ends as in `until_shutdown`, and shuts it down."""
    rclpy.init(args=args)
    try:
        with until_shutdown():
            yield
    finally:
        rclpy.try_shutdown()
