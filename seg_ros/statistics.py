"""Counts one camera's frames by result, and keeps how long their stages took."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable

import numpy as np


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
        self._work = 0.0

    def arrived(self, missing: int = 0) -> None:
        """Counts a frame, and those that were sent before it and never arrived, as dropped by `transport`."""
        with self._lock:
            self._arrivals.append(time.monotonic())
            self.frames_in += 1 + missing
            if missing:
                self.dropped["transport"] += missing

    def drop(self, reason: str) -> None:
        """Counts a frame whose result is not published."""
        with self._lock:
            self.dropped[reason] += 1

    def published(
        self, timings: dict[str, float], age: float | None = None, oddities: Iterable[str] = (), objects_capped: int = 0
    ) -> None:
        """Counts one published frame.

        Args:
            timings: seconds by stage.
            age: seconds from its stamp to now; None is not known.
            oddities: of the frame.
            objects_capped: objects that were cut off.
        """
        with self._lock:
            self.frames_out += 1
            self._work = sum(timings.values())
            self.objects_capped += objects_capped
            self.noted.update(oddities)
            for stage, seconds in timings.items():
                self._keep(stage, seconds)
            if age is not None:
                self._keep("age", age)

    def _keep(self, stage: str, seconds: float) -> None:
        self._timings.setdefault(stage, deque(maxlen=self._window)).append(1e3 * seconds)

    def counts(self) -> dict:
        """Returns all counts; `period`: seconds between the last frames; `work`: seconds that the last result took."""
        with self._lock:
            return {
                "frames_in": self.frames_in,
                "frames_out": self.frames_out,
                "objects_capped": self.objects_capped,
                "dropped": dict(self.dropped),
                "noted": dict(self.noted),
                # The shorter of two gaps: one long silence is no period.
                "period": min((b - a for a, b in itertools.pairwise(self._arrivals)), default=0.0),
                "work": self._work,
            }

    def newest(self) -> dict[str, float]:
        """Returns the timings of the newest published frame by stage, ms."""
        with self._lock:
            return {name: values[-1] for name, values in self._timings.items()}

    def timings(self) -> dict[str, dict[str, float]]:
        """Returns `p50` and `p99` by stage over the last frames, ms."""
        with self._lock:
            kept = {name: list(values) for name, values in self._timings.items()}
        return {f"p{q}": {name: float(np.percentile(v, q)) for name, v in kept.items()} for q in (50, 99)}
