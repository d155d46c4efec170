"""Thins out labelled clouds: one point in each cell of a grid."""

from __future__ import annotations

import numpy as np

from seg_ros.lifting.cloud import xyz

_BITS = 18
"""Of a cell's number along each axis: at 0.05 m 6.5 km either way."""


def thinned(cloud: np.ndarray, side: float) -> np.ndarray:
    """Returns one point for each cube of space that has points, `(N,)` of `POINT`, in the order of the cloud.

    That is, of the points with the label that most points in the cube have, the one with the greatest confidence; of
    equals the first, and of labels that are equally frequent the one of the smallest id. Points stay where they are
    and as they are: averaged places would lie on no surface. Points without a place, which have NaN, are left out.

    Args:
        cloud: `(H, W)` or `(N,)` of `POINT`.
        side: of a cube, m, over 0. Cubes are counted from the origin; those that are more than 2^17 sides away from it
            along an axis count as one with those at that end.
    """
    points = cloud.reshape(-1)
    places = xyz(points)
    there = np.flatnonzero(np.isfinite(places).all(1))
    most = 1 << (_BITS - 1)
    cells = np.clip(np.floor(places[there] / np.float64(side)), -most, most - 1).astype(np.int64) + most
    key = ((cells[:, 0] << _BITS | cells[:, 1]) << _BITS | cells[:, 2]) << 8 | points["label"][there]
    order = np.lexsort((255 - points["confidence"][there], key))
    there, key = there[order], key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))  # of each label in each cell, its best point first
    counts = np.diff(starts, append=len(key))
    cell = key[starts] >> 8
    ranked = np.lexsort((-counts, cell))
    winners = ranked[np.flatnonzero(np.diff(cell[ranked], prepend=-1))]
    return points[np.sort(there[starts[winners]])]
