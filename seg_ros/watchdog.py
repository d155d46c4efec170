"""Measures how long the inference in work has taken, and applies a deadline to it.

A call into a driver or library that never returns cannot be ended from inside; only a new process helps.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Deadline = Callable[[float], AbstractContextManager[None]]
"""Guards a block that may take so many seconds; `seg_ros.runtime.deadline` ends the process after them."""


def no_deadline(_: float) -> AbstractContextManager[None]:
    """Sets no limit to a block: the process belongs to somebody else."""
    return contextlib.nullcontext()


class Watchdog:
    """Guards one node's inference.

    Args:
        seconds: that a guarded block may take.
        deadline: what happens after them.
    """

    def __init__(self, seconds: float, deadline: Deadline = no_deadline) -> None:
        self.seconds = seconds
        self._deadline = deadline
        self._since: float | None = None
        self._guard = contextlib.ExitStack()

    @property
    def busy(self) -> float:
        """Returns the seconds that the guarded block has been running; 0.0 when none is."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Guards a block that may hang."""
        self._begin()
        try:
            yield
        finally:
            self._end()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Suspends the guard for a block, as compiling takes its time. After it the time starts anew."""
        self._end()
        try:
            yield
        finally:
            self._begin()

    def _begin(self) -> None:
        self._guard.enter_context(self._deadline(self.seconds))
        self._since = time.monotonic()

    def _end(self) -> None:
        self._since = None
        self._guard.close()
