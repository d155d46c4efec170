"""The true boxes of what is seen of a scene's objects."""

from __future__ import annotations

import numpy as np

from seg_ros.lifting.boxes import Box, around
from seg_ros.scenes.street import Scene

_SMALLEST = 50
"""px of the smallest object."""


def true_boxes(scene: Scene) -> tuple[Box, ...]:
    """Returns a box around the surface that is seen of each object of at least 50 px, of the object's own heading.

    The scene must have been drawn with its space. Coordinates are the camera's, m; the ids are the scene's.
    """
    space, found = scene.space, []
    rows, columns = np.nonzero(scene.instance)
    ids = scene.instance[rows, columns]
    order = np.argsort(ids, kind="stable")
    rows, columns, ids = rows[order], columns[order], ids[order]
    inverse = np.linalg.inv(space.matrix)
    numbers, starts, counts = np.unique(ids, return_index=True, return_counts=True)
    height, width = scene.label.shape
    for number, start, count in zip(numbers.tolist(), starts.tolist(), counts.tolist(), strict=True):
        if count < _SMALLEST:
            continue
        v, u = rows[start : start + count], columns[start : start + count]
        points = np.stack((u, v, np.ones(count))).T @ inverse.T * space.depth[v, u][:, None]
        yaw = -space.headings[number]  # to the left
        center, size = around(points, yaw)
        truncated = bool(u.min() == 0 or v.min() == 0 or u.max() == width - 1 or v.max() == height - 1)
        found.append(Box(number, int(scene.label[v[0], u[0]]), 1.0, center, size, yaw, count, truncated))
    return tuple(found)
