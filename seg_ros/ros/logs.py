"""Sends what the packages below log with Python's `logging` to the node's own log."""

from __future__ import annotations

import logging
from typing import Any


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
