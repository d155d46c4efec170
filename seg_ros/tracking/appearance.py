"""Tells objects apart by their colours: the means of the upper and the lower half of each."""

from __future__ import annotations

import numpy as np

from seg_ros.tracking.association import GRID

PARTS = 6
"""Three channels of both halves."""
_POINTS = slice(1, GRID, 2)
"""Rows and columns of the grid at which the picture is looked at."""
_NOISE, _CHANGE = 12.0, 14.0
"""Deviation of an object's colours from one frame to the next, grey values; and of what is added in a second."""
_NEWEST = 0.3
"""Weight of the newest frame in what is remembered."""


def colours(roi: np.ndarray, masks: np.ndarray, picture: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Averages the picture over the upper and the lower half of each object, `(N, PARTS) float32`, 0..255.

    Args:
        roi: `(N, 4)`, `(x, y, width, height)` in pixels of the frame.
        masks: `(N, GRID + 1, GRID + 1) bool`, of `association.grids`.
        picture: the frame, or a smaller one of its shape, `(H, W, 3)` or grey, uint8; None is not known.
        size: `(height, width)` of the frame.

    Returns:
        NaN where there is no picture, or no pixel of an object in that half.
    """
    if picture is None or not len(roi):
        return np.full((len(roi), PARTS), np.nan, np.float32)
    cells = (np.arange(GRID)[_POINTS] + 0.5) / GRID
    across, down = (scale / whole for scale, whole in zip(picture.shape[1::-1], size[::-1], strict=True))
    columns = ((roi[:, :1] + cells * roi[:, 2:3]) * across).astype(np.intp)
    rows = ((roi[:, 1:2] + cells * roi[:, 3:]) * down).astype(np.intp)
    half = len(cells) ** 2 // 2
    pixels = picture[rows[:, :, None], columns[:, None, :]].reshape(len(roi), 2, half, -1)
    inside = masks[:, _POINTS, _POINTS].reshape(len(roi), 2, 1, half).astype(np.float32)
    with np.errstate(invalid="ignore"):  # 0 / 0 where a half has no pixel
        mean = (inside @ pixels.astype(np.float32))[:, :, 0] / inside.sum(axis=3)
    return np.broadcast_to(mean, (len(roi), 2, 3)).reshape(-1, PARTS)


def alike(known: np.ndarray, since: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Computes how alike the colours of tracks and objects are, `(T, D)`: 1 the same, 0 not; 1 where none is known.

    Args:
        known: `(T, PARTS)`, of tracks.
        since: `(T,)`, s since each was seen.
        found: `(D, PARTS)`, of objects.
    """
    unknown, other_unknown = np.isnan(known), np.isnan(found)
    told, other_told = 1.0 - unknown, 1.0 - other_unknown.T
    a, b = np.where(unknown, 0.0, known), np.where(other_unknown, 0.0, found).T
    # (a - b)^2, summed over what is told of both.
    apart = a**2 @ other_told - 2 * a @ b + told @ b**2
    mean = np.maximum(apart, 0.0) / np.maximum(told @ other_told, 1)
    return np.exp(-mean / (2 * (_NOISE**2 + _CHANGE**2 * since[:, None])))


def remembered(known: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Returns what is known of tracks, `(N, PARTS)`, after these colours of theirs were found."""
    mixed = known + _NEWEST * (found - known)
    return np.where(np.isnan(known), found, np.where(np.isnan(found), known, mixed))
