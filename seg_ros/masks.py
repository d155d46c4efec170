"""What makes a binary mask safe to act on: a margin around it, and a while for which it stays."""

from __future__ import annotations

from collections.abc import Hashable

import cv2
import numpy as np

_TICKS = 254
"""Steps that a hold is counted in: what is left of it is one byte a pixel, and 255 is a pixel that is seen now."""


def widened(mask: np.ndarray, margin: int) -> np.ndarray:
    """Returns the mask with all pixels set that are at most `margin` rows and `margin` columns from one that is.

    A square around each pixel is made along rows, then along columns; a circle would take many times as long, and lies
    inside of it.

    Args:
        mask: `(H, W) uint8`, 0 or 255.
        margin: pixels, 0 or more.
    """
    if not margin:
        return mask
    return cv2.dilate(mask, np.ones((2 * margin + 1, 2 * margin + 1), np.uint8))


class Hold:
    """Keeps the pixels of one camera's mask set for a while after they were last seen, against flicker.

    What is kept is not what the network saw in this frame. It is forgotten when the size of the frames, what the mask
    shows, or the length of the hold changes, and when a stamp is not later than the one before: of a clock that jumped
    back, or of a camera without stamps, nobody knows how old anything is.
    """

    def __init__(self) -> None:
        self._left = np.zeros((0, 0), np.uint8)  # of the hold, in ticks, + 1: 255 is seen now, 0 is over
        self._stamp, self._kind = 0, None

    def extend(self, mask: np.ndarray, stamp: tuple[int, int], seconds: float, shows: Hashable = None) -> np.ndarray:
        """Returns the mask with all pixels set that were in one of the last `seconds`, or at most 0.4 % longer ago.

        Args:
            mask: `(H, W) uint8`, 0 or 255.
            stamp: of its frame, `(sec, nanosec)`.
            seconds: 0.0 keeps nothing.
            shows: what the mask is of.
        """
        now, hold = stamp[0] * 10**9 + stamp[1], round(seconds * 1e9)
        kind, left, before = (mask.shape, hold, shows), self._left, self._stamp
        goes_on = hold and kind == self._kind and now > before
        self._stamp, self._kind, self._left = now, kind, mask
        if not goes_on:
            return mask
        # Ticks since the epoch, so that rounding does not add up from frame to frame.
        passed = np.uint8(min(now * _TICKS // hold - before * _TICKS // hold, 255))
        left = np.maximum(left, passed)
        left -= passed
        self._left = np.maximum(left, mask, out=left)
        return cv2.threshold(self._left, 0, 255, cv2.THRESH_BINARY)[1]
