"""The layouts in which labelled clouds are published: as PCL reads them, or as Autoware does."""

from __future__ import annotations

import numpy as np

from seg_ros.autoware import INVALID
from seg_ros.lifting.cloud import placed

PCL, AUTOWARE = LAYOUTS = ("pcl", "autoware")

POINT_XYZCPE = np.dtype(
    {
        "names": ["x", "y", "z", "class_id", "probability", "entropy"],
        "formats": ["<f4", "<f4", "<f4", "u1", "<f4", "<f4"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)
"""Autoware's `autoware::point_types::PointXYZCPE`, 24 bytes with three unused: x, y, z in m; `class_id` of
`autoware.POINT_NAMES`, 255 = none; `probability` 0..1; `entropy` in nats, NaN = not known. Autoware's programs take a
cloud only with exactly these fields, packed without gaps."""

_PROBABILITY = np.arange(256, dtype=np.float32) / 255
"""By confidence."""


def _entropies() -> np.ndarray:
    p = np.arange(1, 255) / 255
    h = -p * np.log(p) - (1 - p) * np.log(1 - p)
    return np.float32([np.nan, *h, 0])


_ENTROPY = _entropies()
"""Nats by confidence."""


def as_autoware(cloud: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Makes a cloud `(N,)` of `POINT_XYZCPE` of one of `POINT`, without the points that have no place.

    Of the classes' probabilities only the greatest, p, is known. `entropy` is that of being of this class or not,
    h(p) = -p ln p - (1 - p) ln(1 - p). The entropy over all C classes is never less, and at most (1 - p) ln(C - 1)
    more. It is NaN where there is no confidence.

    Args:
        cloud: `(H, W)` or `(N,)`.
        ids: `(256,) uint8`, Autoware's class id by label, as `autoware.point_ids` makes it.
    """
    points = placed(cloud.reshape(-1))
    out = np.zeros(len(points), POINT_XYZCPE)
    for axis in "xyz":
        out[axis] = points[axis]
    out["class_id"] = ids[points["label"]]
    unlabelled = out["class_id"] == INVALID
    out["probability"] = np.where(unlabelled, np.float32(0), _PROBABILITY[points["confidence"]])
    out["entropy"] = np.where(unlabelled, np.float32(np.nan), _ENTROPY[points["confidence"]])
    return out
