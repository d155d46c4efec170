"""Nothing is swallowed: what happens below reaches the node's own log."""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from typing import Any


def reported(callback: Callable) -> Callable:
    """A life-cycle callback that logs what it raises and keeps it as `node.problem`: rclpy drops it without a word."""

    @functools.wraps(callback)
    def wrapper(node: Any, *args: Any) -> Any:
        try:
            return callback(node, *args)
        except Exception as error:
            node.problem = f"{callback.__name__} failed: {error!r}"
            node.get_logger().error(f"{callback.__name__} failed: {traceback.format_exc()}")
            raise

    return wrapper


def survived(callback: Callable) -> Callable:
    """A timer's or parameter's callback whose errors do not end the node: they are logged, and kept as `node.problem`
    until it succeeds again."""

    @functools.wraps(callback)
    def wrapper(node: Any, *args: Any) -> None:
        failed = f"{callback.__name__} failed: "
        try:
            callback(node, *args)
            if node.problem.startswith(failed):
                node.problem = ""
        except Exception as error:
            if node.context.ok():  # else the graph went away under it
                node.problem = failed + repr(error)
                node.get_logger().error(failed + traceback.format_exc(), throttle_duration_sec=1.0)

    return wrapper


class RosLogs(logging.Handler):
    """Passes records on to an rclpy logger at the same level."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        # rclpy binds a level to the place it is called from, so each level needs a call of its own.
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        elif record.levelno >= logging.INFO:
            self._logger.info(text)
        else:
            self._logger.debug(text)
