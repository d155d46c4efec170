"""Estimates how the camera's own motion shifts the picture, from sparse optical flow on a small grey picture.

Points of a fixed grid are followed from the last picture (Bouguet, Pyramidal Implementation of the Lucas Kanade
Feature Tracker, 2000), and shift, rotation and scale that most agree with are estimated (RANSAC), so that objects
that move by themselves do not count. Taken is the shift of the middle of the picture, which a camera that turns or
shakes gives to near and far alike. How a camera that drives spreads the picture depends on the distance: the tracks'
own velocities hold that.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

_SIDE = 160
"""Most pixels of the longer side of the small picture."""
_COLUMNS, _ROWS = 9, 7
_WINDOW = 9
"""Pixels of the small picture around a point, along both sides, that are compared."""
_LEAST = 16
"""Fewest points that must agree, a quarter of them: else it is another picture."""
_SCALES = 0.7, 1.4
"""Change of scale from one picture to the next that is believed."""
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 10, 0.03)
"""When a point has been followed: a tenth of the pixel that points may differ by is more than enough."""
_AGREE = 1.0
"""Pixels of the small picture by which points that agree may differ."""


def small(picture: np.ndarray, side: int = _SIDE) -> np.ndarray:
    """Makes the small grey picture, `(h, w) uint8`: the green channel of every few pixels; it may be small already.

    Args:
        picture: `(H, W, 3)` or `(H, W)`, uint8.
        side: most pixels of its longer side.
    """
    step = -(-max(picture.shape[:2]) // side)
    grey = picture[::step, ::step] if picture.ndim == 2 else picture[::step, ::step, 1]
    return np.ascontiguousarray(grey)


def motion(before: np.ndarray, now: np.ndarray) -> np.ndarray | None:
    """Estimates how far the middle of one small picture has moved in the next.

    Returns:
        `(x, y)`, in pixels of the small picture; None where too few points agree.
    """
    height, width = now.shape
    points = _grid(height, width)
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        before, now, points, None, winSize=(_WINDOW, _WINDOW), maxLevel=2, criteria=_STEPS
    )
    found = status.ravel() > 0
    if found.sum() < _LEAST:
        return None
    # Two steps from what most agree with: the ten that are usual find the same shift.
    matrix, agree = cv2.estimateAffinePartial2D(
        points[found], moved[found], ransacReprojThreshold=_AGREE, maxIters=200, refineIters=2
    )
    if matrix is None or agree.sum() < _LEAST or not _SCALES[0] < np.hypot(*matrix[:, 0]) < _SCALES[1]:
        return None
    middle = np.array([width / 2, height / 2])
    return matrix[:, :2] @ middle + matrix[:, 2] - middle


@functools.lru_cache(maxsize=8)
def _grid(height: int, width: int) -> np.ndarray:
    """Makes the points that are followed, `(_ROWS * _COLUMNS, 1, 2) float32`."""
    x = (np.arange(_COLUMNS) + 0.5) * width / _COLUMNS
    y = (np.arange(_ROWS) + 0.5) * height / _ROWS
    return np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 1, 2).astype(np.float32)
