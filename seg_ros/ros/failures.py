"""Takes failures to the node's log, its counts, and its diagnostics."""

from __future__ import annotations

import functools
import logging
import math
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from seg_ros.errors import EngineError, FrameError
from seg_ros.results import Frame
from seg_ros.ros.cameras import Camera

_OUT_OF_MEMORY_LIMIT = 5
"""Inferences in a row that may run out of memory before the process is given up."""
_RECENT = 5.0
"""Seconds that diagnostics show what a callback raised."""
_LINE = 200
"""Most characters of a line about a frame in the log: cameras send many."""
_PROBLEM = 2000
"""Most characters of what failed in the node: paths and lists of what is allowed are long, and it is said once."""


def legible(text: object, most: int = _LINE) -> str:
    """Returns `text` as it may be logged, whoever wrote it: one line of `most` characters, none of which controls."""
    line = str(text)
    line = line if len(line) <= most else line[: most - 1] + "…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def reason_of(error: Exception) -> str:
    """Returns the short, stable word under which `/diagnostics` counts what an error cost."""
    if isinstance(error, MemoryError):
        return "memory"
    return error.reason if isinstance(error, FrameError | EngineError) else "internal"


class LostFrames:
    """Counts frames that were lost to errors, and logs them, once a second for each camera and reason.

    Args:
        node: for its log and its context.
        fatal: called with the reason when only a new process can go on.
    """

    def __init__(self, node: Any, fatal: Callable[[str], None]) -> None:
        self._node, self._fatal = node, fatal
        self._out_of_memory = 0
        self._logged: dict[tuple[str, str], float] = {}
        self._said: set[tuple[str, str]] = set()

    def lost(self, errors: Mapping[Camera, Exception]) -> None:
        """Takes the errors of frames that were in work together, by camera; never raises."""
        if not self._node.context.ok():  # shutting down: the graph went away under the frames in work
            return
        reasons = {self._count(camera, error) for camera, error in errors.items()}
        self._out_of_memory += "memory" in reasons
        if self._out_of_memory >= _OUT_OF_MEMORY_LIMIT:
            self._end(f"out of memory {self._out_of_memory} times in a row")
        elif any(isinstance(error, EngineError) and error.fatal for error in errors.values()):
            self._end("the device is lost")

    def _count(self, camera: Camera, error: Exception) -> str:
        reason = reason_of(error)
        if isinstance(error, MemoryError):
            error = EngineError(f"out of memory: {error}", reason=reason)
        camera.statistics.drop(reason)
        self._log(camera, reason, f"dropped: {error!r}" if reason == "internal" else f"dropped: {error}", error)
        return reason

    def recovered(self) -> None:
        """Takes note of a frame that was not lost: there is memory."""
        self._out_of_memory = 0

    def damaged(self, camera: Camera, frame: Frame) -> None:
        """Logs a frame that was published although it is damaged."""
        sec, nanosec = frame.stamp
        self._log(camera, "damaged", f"with stamp {sec}.{nanosec:09} published, although damaged: {frame.damage}")

    def without_info(self, camera: Camera, error: FrameError) -> None:
        """Logs, once for each camera and reason, why frames are published without `camera_info`."""
        if (camera.name, error.reason) not in self._said:
            self._said.add((camera.name, error.reason))
            of = f" of {camera.topic}" if camera.name else ""
            self._node.get_logger().warning(legible(f"frames{of} are published without camera_info: {error}"))

    def _log(self, camera: Camera, reason: str, what: str, error: Exception | None = None) -> None:
        now = time.monotonic()
        if now - self._logged.get((camera.name, reason), -1.0) < 1.0:
            return
        self._logged[camera.name, reason] = now
        of = f" of {camera.topic}" if camera.name else ""
        stack = "\n" + "".join(traceback.format_tb(error.__traceback__)) if reason == "internal" else ""
        self._node.get_logger().error(legible(f"frame{of} {what}") + stack)

    def _end(self, why: str) -> None:
        self._node.get_logger().fatal(f"{why}: only a new process can go on")
        self._fatal(why)


class Problem:
    """The last failure of the node until that succeeds again, for its diagnostics. `str()` is empty without one."""

    def __init__(self) -> None:
        self._at, self._text = "", ""

    def __str__(self) -> str:
        return self._text

    def failed(self, at: str, why: object) -> str:
        """Takes what failed and why; returns both as a sentence."""
        lines = str(why)[: 2 * _PROBLEM].split()  # compilers write several
        self._at, self._text = at, legible(f"{at} failed: {' '.join(lines)}", _PROBLEM)
        return self._text

    def solved(self, at: str | None = None) -> None:
        """Forgets what failed at `at`; None forgets whatever it was."""
        if at in (None, self._at):
            self._at, self._text = "", ""


class CallbackErrors:
    """Counts what callbacks raised and nobody took, also those of rclpy, and logs it, once a second.

    `str()` is the last one for `_RECENT` s, then empty.

    Attributes:
        count: of all since the node was made.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self.count = 0
        self._text, self._at, self._logged = "", -math.inf, -math.inf

    def __str__(self) -> str:
        return self._text if time.monotonic() - self._at < _RECENT else ""

    def raised(self, where: str, error: Exception) -> None:
        """Takes what `where` raised; never raises."""
        self.count += 1
        self._at = time.monotonic()
        self._text = legible(f"{where} raised {error!r}")
        if self._at - self._logged >= 1.0:
            self._logged = self._at
            stack = "".join(traceback.format_tb(error.__traceback__))
            self._node.get_logger().error(f"{self._text}; {self.count} such errors since the start\n{stack}")


def reported(callback: Callable) -> Callable:
    """Wraps a life-cycle callback: what it raises is logged, and the node's problem; rclpy drops it silently.

    While it runs, the node's progress is the state that the node is in.
    """

    @functools.wraps(callback)
    def wrapper(node: Any, *args: Any) -> Any:
        try:
            with node.progress.of(node.state):
                return callback(node, *args)
        except Exception as error:
            if node.context.ok():  # else the graph went away under it
                node.problem.failed(callback.__name__, repr(error))
                node.get_logger().error(f"{callback.__name__} failed: {traceback.format_exc()}")
            raise

    return wrapper


def survived(callback: Callable) -> Callable:
    """Wraps a timer's or parameters' callback so that its errors do not end the node.

    They are logged, and the node's problem until the callback succeeds again.
    """

    @functools.wraps(callback)
    def wrapper(node: Any, *args: Any) -> None:
        name = callback.__name__
        try:
            callback(node, *args)
            node.problem.solved(name)
        except Exception as error:
            if node.context.ok():  # else the graph went away under it
                node.problem.failed(name, repr(error))
                node.get_logger().error(f"{name} failed: {traceback.format_exc()}", throttle_duration_sec=1.0)

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
