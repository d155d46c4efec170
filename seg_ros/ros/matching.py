"""Finds the labels that belong to a measurement, by their stamps, among those of the last moments."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from seg_ros.ros.cdr import Stamp

JUMP = 10**9
"""Nanoseconds that stamps go back when a recording starts again, or a clock is set."""


class _Waiting(NamedTuple):
    time: int
    parts: Any


class Matcher:
    """Pairs each measurement (a depth image, a scan) with the labels of the nearest stamp within a tolerance.

    The parts of a label (label, confidence, objects) have the same stamp, and are complete when all are there. A label
    is used once, for the measurement nearest to it. As labels come in the order of their stamps, and later than what
    they are of, a measurement waits until a label of its own stamp or a later one is there.

    Args:
        tolerance: seconds.
        keep: most measurements that wait, and most labels that are kept.
        unmatched: called for each measurement that is given up.
    """

    def __init__(self, tolerance: float, keep: int, unmatched: Callable[[], None]) -> None:
        self._tolerance, self._keep, self._unmatched = round(1e9 * tolerance), keep, unmatched
        self._parts: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._labels: deque[_Waiting] = deque(maxlen=keep)
        self._measurements: deque[_Waiting] = deque()
        self._newest: dict[str, int] = {}

    def label(self, part: str, stamp: Stamp, message: Any, needed: Collection[str]) -> list[tuple[Any, dict[str, Any]]]:
        """Takes a part of a label, complete when all `needed` parts are there. Returns the pairs that it makes."""
        time = self._time("label", stamp)
        parts = self._parts.setdefault(time, {})
        parts[part] = message
        while len(self._parts) > self._keep:
            self._parts.popitem(last=False)
        if not parts.keys() >= set(needed):
            return []
        del self._parts[time]
        self._labels.append(_Waiting(time, parts))
        return self._pairs()

    def measurement(self, stamp: Stamp, message: Any) -> list[tuple[Any, dict[str, Any]]]:
        """Takes a measurement. Returns the pairs that it makes."""
        self._measurements.append(_Waiting(self._time("measurement", stamp), message))
        if len(self._measurements) > self._keep:
            self._give_up()
        return self._pairs()

    def clear(self) -> None:
        """Forgets all labels, and gives up all measurements."""
        while self._measurements:
            self._give_up()
        self._labels.clear()
        self._parts.clear()
        self._newest.clear()

    def _time(self, stream: str, stamp: Stamp) -> int:
        """Returns a stamp in ns, and starts anew where a stream went back: its recording plays again."""
        time = stamp[0] * 10**9 + stamp[1]
        if time < self._newest.get(stream, time) - JUMP:
            self.clear()
        self._newest[stream] = max(time, self._newest.get(stream, time))
        return time

    def _pairs(self) -> list[tuple[Any, dict[str, Any]]]:
        pairs = []
        for label in list(self._labels):
            if not self._measurements:
                break
            found = min(self._measurements, key=lambda m: abs(m.time - label.time))
            off = abs(found.time - label.time)
            nearest = min(self._labels, key=lambda other: abs(other.time - found.time))
            certain = not off or self._labels[-1].time >= found.time
            if off > self._tolerance or nearest is not label or not certain:
                continue
            pairs.append((found.parts, label.parts))
            while self._measurements[0] is not found:  # older than what goes out now
                self._give_up()
            self._measurements.popleft()
            while self._labels[0] is not label:
                self._labels.popleft()
            self._labels.popleft()
        while self._labels and self._measurements and self._too_late(self._measurements[0]):
            self._give_up()
        return pairs

    def _too_late(self, measurement: _Waiting) -> bool:
        return measurement.time < self._labels[-1].time - self._tolerance

    def _give_up(self) -> None:
        self._measurements.popleft()
        self._unmatched()
