"""Newest frame first: a mailbox of one for each camera, and the thread that empties them in turn."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Statistics:
    """Counts and recent timings of one camera, written by the worker and read by anyone.

    Attributes:
        frames_in: frames that the camera sent: those that arrived, and those known to be lost on the way.
        frames_out: frames whose results were published.
        dropped: frames whose results were not, by reason.
        noted: oddities of published frames, by kind.
        objects_capped: objects of published frames that `max_detections` cut off.
    """

    def __init__(self, window: int = 300) -> None:
        self._lock = threading.Lock()
        self._window = window
        self._timings: dict[str, deque[float]] = {}
        self._arrivals: deque[float] = deque(maxlen=3)
        self.frames_in = 0
        self.frames_out = 0
        self.dropped: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self.objects_capped = 0

    def arrived(self) -> None:
        with self._lock:
            self._arrivals.append(time.monotonic())
            self.frames_in += 1

    def lost(self, count: int) -> None:
        """Counts frames that were sent and never arrived, as dropped by `transport`."""
        if count:
            with self._lock:
                self.frames_in += count
                self.dropped["transport"] += count

    def drop(self, reason: str) -> None:
        with self._lock:
            self.dropped[reason] += 1

    def note(self, kind: str) -> None:
        """Counts an oddity; "" is none."""
        if kind:
            with self._lock:
                self.noted[kind] += 1

    def took(self, stage: str, seconds: float | None) -> None:
        """Keeps how long a stage of one frame took, or its `age` at publish; None is not known."""
        if seconds is not None:
            with self._lock:
                self._timings.setdefault(stage, deque(maxlen=self._window)).append(1e3 * seconds)

    def published(self, objects_capped: int = 0) -> None:
        """Counts one published frame."""
        with self._lock:
            self.frames_out += 1
            self.objects_capped += objects_capped

    def counts(self) -> dict:
        """All counts, and `period`: seconds between the last frames."""
        with self._lock:
            return {
                "frames_in": self.frames_in,
                "frames_out": self.frames_out,
                "objects_capped": self.objects_capped,
                "dropped": dict(self.dropped),
                "noted": dict(self.noted),
                # The shorter of two gaps: one long silence is no period.
                "period": min((b - a for a, b in itertools.pairwise(self._arrivals)), default=0.0),
            }

    def timings(self) -> dict[str, dict[str, float]]:
        """`p50` and `p99` by stage over the last frames, ms."""
        with self._lock:
            kept = {name: list(values) for name, values in self._timings.items()}
        return {f"p{q}": {name: float(np.percentile(v, q)) for name, v in kept.items()} for q in (50, 99)}


class NewestFirst(Generic[K, T]):
    """Hands the newest item of each key to `work` on a thread of its own; older ones that still wait are dropped.

    Keys take turns: one that was served goes behind those that wait, however fast its items come.

    Args:
        work: called with up to `batch` pairs of key and item, of different keys. What it raises reaches `failed`;
            the thread lives on.
        dropped: called with the key when an item is replaced by a newer one, or by `stop`, before its turn.
        failed: called with the pairs and the exception that `work` raised.
        begin: called on the thread before the first item.
        batch: most pairs of one call.
    """

    def __init__(
        self,
        work: Callable[[list[tuple[K, T]]], None],
        dropped: Callable[[K], None],
        failed: Callable[[list[tuple[K, T]], Exception], None],
        begin: Callable[[], None] = lambda: None,
        batch: int = 1,
    ) -> None:
        self._work, self._dropped, self._failed, self._begin, self._batch = work, dropped, failed, begin, batch
        self._pending: dict[K, T] = {}  # in the order of their turns: replacing a value keeps its place
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def put(self, key: K, item: T) -> None:
        """Makes `item` the pending one of `key`. Returns at once."""
        with self._changed:
            replaced = key in self._pending
            self._pending[key] = item
            self._changed.notify()
        if replaced:
            self._dropped(key)

    def stop(self, timeout: float | None = None) -> bool:
        """Lets what is in work finish, drops what is pending. Returns False if that took over `timeout` s."""
        with self._changed:
            self._stopping = True
            forgotten, self._pending = list(self._pending), {}
            self._changed.notify()
        for key in forgotten:
            self._dropped(key)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._begin()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopping)
                if self._stopping:
                    return
                turn = list(self._pending)[: self._batch]
                items = [(key, self._pending.pop(key)) for key in turn]
            try:
                self._work(items)
            except Exception as error:
                self._failed(items, error)
