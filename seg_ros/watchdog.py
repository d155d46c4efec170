"""Ends the process when inference hangs: a driver or a library that never comes back is not healed from inside."""

from __future__ import annotations

import contextlib
import faulthandler
import time
from collections.abc import Iterator


class Watchdog:
    """Ends the process, status 1, with the stacks of all threads on stderr, when what it guards takes too long.

    A timer of the faulthandler module: its thread is C, so it works too where a native call holds Python's lock.
    There is one such timer a process.

    Args:
        seconds: that the guarded may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: float | None = None
        self._released = False

    @property
    def busy(self) -> float:
        """Seconds that the guarded has been running; 0.0 when nothing is."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    @contextlib.contextmanager
    def guard(self) -> Iterator[None]:
        """Around what may hang. Costs 35 us."""
        if not self._released:
            faulthandler.dump_traceback_later(self.seconds, exit=True)
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None
            faulthandler.cancel_dump_traceback_later()

    def release(self) -> None:
        """Lets go for good: the process ends anyway, and its status shall not become that of a hang."""
        self._released = True
        faulthandler.cancel_dump_traceback_later()
