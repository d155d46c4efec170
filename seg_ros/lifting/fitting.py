"""Fits upright boxes around the points of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seg_ros.lifting.outline import Outline, widened

LEAST = 10
"""Fewest points of a box."""
GAP = (0.6, 0.04)
"""Metres, and share of the distance, without points that end an object."""
THINNEST = 0.1
"""m; least side of a box: a surface that is seen from one side only has no depth."""
_SPARSE = 0.02
"""Share of an object's points that do not connect it with what is behind: mixed pixels, leaves, a fence's holes."""
_OUTLIERS = 0.5
"""Percent of the points that may lie beyond each side."""
_CORNERS = 80
"""Most points that find the yaw."""
_ANGLES, _FINER = np.radians(np.arange(0, 90, 5.0)), np.radians(np.arange(-2.5, 2.6, 0.5))
_LEAST_DISTANCE = np.float32(0.02)
"""m; points that are nearer to an edge than this are on it."""


class Fit(NamedTuple):
    """A box around the points of one object.

    Attributes:
        center: `(3,)`, m, in the points' coordinates.
        size: `(3,)`, length (along its own axis), width, height, m.
        yaw: angle of its own axis from straight ahead to the left, rad, -pi/2..pi/2.
        points: how many it is around.
        begins: m ahead, where its nearest point is.
    """

    center: np.ndarray
    size: np.ndarray
    yaw: float
    points: int
    begins: float


def fit(
    objects: Sequence[np.ndarray],
    ground: np.ndarray,
    margins: Sequence[float] | None = None,
    outlines: Sequence[Outline] | None = None,
) -> list[Fit | None]:
    """Fits a box around the points `(N, 3)`, m, of each object; None if there are too few.

    The yaw is that of the best L: two edges of a rectangle that lie as close to the points as any (closeness criterion
    of Zhang et al., Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners, IV 2017).

    Args:
        objects: their points, float32; those with NaN do not count.
        ground: `(3, 3)`, turns coordinates into ahead, left, up.
        margins: what is missing at each edge of the objects' masks, as a share of the distance; None is nothing.
        outlines: of the masks, to which boxes are widened; None does not.
    """
    fits: list[Fit | None] = [None] * len(objects)
    connected = {i: points for i, points in enumerate(_connected(objects, ground)) if len(points) >= LEAST}
    if not connected:
        return fits
    which, parts = list(connected), list(connected.values())
    yaws = _yaws([points[:: -(-len(points) // _CORNERS), :2] for points in parts])
    turns = np.stack((np.cos(yaws), -np.sin(yaws), np.sin(yaws), np.cos(yaws)), 1).reshape(-1, 2, 2)
    low, high = (np.array(ends) for ends in zip(*map(_ends, parts, turns), strict=True))
    if outlines is not None:
        for k, points in enumerate(parts):
            most = GAP[0] + GAP[1] * float(np.hypot(*points[:, :2].mean(0)))
            low[k], high[k] = widened(low[k], high[k], points, outlines[which[k]], turns[k], most)
    center = (low + high) / 2
    center[:, :2] = np.einsum("kij,kj->ki", turns, center[:, :2])
    size = high - low
    if margins is not None:
        across = np.einsum("kij,ki->kj", turns, np.stack((-center[:, 1], center[:, 0]), 1))  # m, of each side as seen
        seen = np.column_stack((np.abs(across), np.hypot(center[:, 0], center[:, 1])))
        size += 2 * np.asarray(margins)[which, None] * seen
    wide = size[:, 1] > size[:, 0]
    size[wide, :2] = size[wide, 1::-1]
    yaws = (np.where(wide, yaws + np.pi / 2, yaws) + np.pi / 2) % np.pi - np.pi / 2
    size, center = np.maximum(size, THINNEST), center @ ground
    for k, i in enumerate(which):
        fits[i] = Fit(center[k], size[k], float(yaws[k]), len(parts[k]), float(parts[k][:, 0].min()))
    return fits


def _connected(objects: Sequence[np.ndarray], ground: np.ndarray) -> list[np.ndarray]:
    """Returns of each object's points the largest part that no gap parts, `(N, 3)`, m, ahead, left, up."""
    points = np.concatenate((np.empty((0, 3), np.float32), *objects)) @ ground.T
    distance = np.hypot(points[:, 0], points[:, 1])
    parts, end = [], 0
    for each in objects:
        start, end = end, end + len(each)
        parts.append(points[start:end][_in_largest_part(distance[start:end])])
    return parts


def _in_largest_part(distance: np.ndarray) -> np.ndarray:
    """Returns which points `(N,) bool` are of the largest part that no gap in their distances parts."""
    ranked = np.sort(distance)  # NaN last
    ranked = ranked[: np.count_nonzero(np.isfinite(distance))]
    step = max(int(len(ranked) * _SPARSE), 1)
    nearer = ranked[:-step]
    gaps = np.flatnonzero(ranked[step:] - nearer >= GAP[0] + GAP[1] * nearer)
    first, end = np.append(0, gaps + 1), np.append(gaps, len(nearer))
    largest = (end - first).argmax()
    first, end = first[largest], end[largest]
    if first == end:
        return np.zeros(len(distance), bool)
    return (distance >= ranked[first]) & (distance <= ranked[end - 1 + step])  # with those that the last step reaches


def _ends(points: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns where the points `(N, 3)` begin and end, `(3,)` each, along the box's length, its width, and up."""
    beyond = int(len(points) * _OUTLIERS / 100)
    ends = beyond, len(points) - 1 - beyond
    low, high = np.partition(np.vstack((turn.T @ points[:, :2].T, points[:, 2])), ends)[:, ends].T
    return low, high


def _yaws(objects: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the yaws `(K,)`, rad, of the rectangles whose nearer edges are closest to the points `(N, 2)`, m."""
    points = np.empty((len(objects), 2, _CORNERS), np.float32)
    counts = np.zeros((len(objects), 1, _CORNERS), np.float32)
    for k, each in enumerate(objects):
        points[k, :, : len(each)], points[k, :, len(each) :] = each.T, each[0, :, None]
        counts[k, :, : len(each)] = 1
    best = _closest(points, counts, np.tile(_ANGLES, (len(objects), 1)))
    return _closest(points, counts, best[:, None] + _FINER)


def _closest(points: np.ndarray, counts: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Returns the best of each object's `angles (K, A)`; its points `(K, 2, P)` count where `counts` is 1."""
    c, s = np.float32(np.cos(angles)), np.float32(np.sin(angles))
    axes = np.concatenate((np.stack((c, s), 2), np.stack((-s, c), 2)), 1)
    along = axes @ points
    low, high = along.min(2, keepdims=True), along.max(2, keepdims=True)
    mean = axes @ ((points * counts).sum(2, keepdims=True) / counts.sum(2, keepdims=True))
    to_edge = np.abs(along - np.where(2 * mean < low + high, low, high))  # the edge that is nearer in mean square
    nearer = np.minimum(to_edge[:, : angles.shape[1]], to_edge[:, angles.shape[1] :])
    closeness = (counts / np.maximum(nearer, _LEAST_DISTANCE)).sum(2)
    return np.take_along_axis(angles, closeness.argmax(1)[:, None], 1)[:, 0]
