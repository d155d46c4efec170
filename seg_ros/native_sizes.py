"""Chooses the frame sizes that are worth an engine of their own, for a camera's size may change with every frame."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

_SEEN = 10
"""Frames of a size before it is worth it."""
_REMEMBERED = 64
"""Sizes that are counted: those seen last. One that comes back more seldom than that is never worth it."""
_DAY = 86400.0


class NativeSizes:
    """Counts frames by size, and chooses a size at its tenth frame, so many times a day.

    Frames count in all, not in a row, for cameras of different sizes take turns. A size that was chosen counts from
    zero: if its engine failed, or was dropped since, it is chosen again after ten more frames.

    Args:
        most: choices in 24 h. Each may compile for a minute, in which nothing is published.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[int, int], int] = OrderedDict()
        self._most, self._chosen = most, deque[float]()

    def choose(self, size: tuple[int, int]) -> bool:
        """Counts a frame of this size, which has no engine yet. Returns whether to make one now."""
        count = self._counts.pop(size, 0) + 1
        while self._chosen and self._chosen[0] < self._clock() - _DAY:
            self._chosen.popleft()
        if count >= _SEEN and len(self._chosen) < self._most:
            self._chosen.append(self._clock())
            return True
        if len(self._counts) == _REMEMBERED:
            self._counts.popitem(last=False)
        self._counts[size] = count
        return False
