"""Newest frame first: a mailbox of one, and the thread that empties it."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Statistics:
    """Counts and recent timings, written by the worker and read by anyone.

    Attributes:
        frames_in: frames that arrived.
        frames_out: frames whose results were published.
        dropped: frames that were not, by reason.
        objects_capped: objects of published frames that `max_detections` cut off.
    """

    def __init__(self, window: int = 300) -> None:
        self._lock = threading.Lock()
        self._window = window
        self._timings: dict[str, deque[float]] = {}
        self.frames_in = 0
        self.frames_out = 0
        self.dropped: Counter[str] = Counter()
        self.objects_capped = 0

    def arrived(self) -> None:
        with self._lock:
            self.frames_in += 1

    def drop(self, reason: str) -> None:
        with self._lock:
            self.dropped[reason] += 1

    def published(self, timings: dict[str, float], objects_capped: int = 0) -> None:
        """Counts one published frame with its milliseconds by stage (`age` is stamp to publish)."""
        with self._lock:
            self.frames_out += 1
            self.objects_capped += objects_capped
            for name, value in timings.items():
                self._timings.setdefault(name, deque(maxlen=self._window)).append(value)

    def snapshot(self) -> dict:
        """The counts, with `dropped` by reason, and `p50` and `p99` by stage over the last frames, in ms."""
        with self._lock:
            timings = {name: list(values) for name, values in self._timings.items()}
            counts = {
                "frames_in": self.frames_in,
                "frames_out": self.frames_out,
                "objects_capped": self.objects_capped,
                "dropped": dict(self.dropped),
            }
        return counts | {
            "p50": {name: float(np.percentile(v, 50)) for name, v in timings.items()},
            "p99": {name: float(np.percentile(v, 99)) for name, v in timings.items()},
        }


class NewestFirst(Generic[T]):
    """Hands the newest item to `work` on a thread of its own; older ones that still wait are dropped.

    Args:
        work: called with one item at a time. What it raises reaches `failed`; the thread lives on.
        dropped: called when an item is replaced by a newer one, or by `stop`, before its turn.
        failed: called with an exception that `work` raised.
        begin: called on the thread before the first item.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        dropped: Callable[[], None],
        failed: Callable[[Exception], None],
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._work, self._dropped, self._failed, self._begin = work, dropped, failed, begin
        self._pending: list[T] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Makes `item` the pending one. Returns at once."""
        with self._changed:
            replaced = bool(self._pending)
            self._pending = [item]
            self._changed.notify()
        if replaced:
            self._dropped()

    def stop(self, timeout: float | None = None) -> bool:
        """Lets the item in work finish, drops the pending one. Returns False if that took over `timeout` s."""
        with self._changed:
            self._stopping = True
            forgotten, self._pending = bool(self._pending), []
            self._changed.notify()
        if forgotten:
            self._dropped()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._begin()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopping)
                if self._stopping:
                    return
                item = self._pending.pop()
            try:
                self._work(item)
            except Exception as error:
                self._failed(error)
