"""The true objects of a scene: their masks in the picture, and boxes around what is seen of them."""

from __future__ import annotations

import cv2
import numpy as np

from seg_ros.lifting.boxes import Box, around
from seg_ros.results import Instances
from seg_ros.scenes.street import Scene

_SMALLEST = 50
"""px of the smallest object."""


def true_objects(label: np.ndarray, instance: np.ndarray) -> tuple[Instances, list[int]]:
    """Returns the objects of at least 50 px as a perfect network would find them, the largest first, and their ids.

    Args:
        label: `(H, W) uint8`, true class ids.
        instance: `(H, W) uint16`, true object ids; 0 = none.
    """
    ids, counts = np.unique(instance[instance > 0], return_counts=True)
    chosen = ids[np.argsort(-counts, kind="stable")][: np.count_nonzero(counts >= _SMALLEST)]
    class_id, roi, masks = [], [], []
    for number in chosen:
        mask = (instance == number).view(np.uint8)
        x, y, width, height = cv2.boundingRect(mask)
        inside = mask[y : y + height, x : x + width]
        class_id.append(label[y : y + height, x : x + width][inside > 0][0])
        roi.append((x, y, width, height))
        masks.append(inside * np.uint8(255))
    roi = np.array(roi, np.int32).reshape(-1, 4)
    box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32)
    score = np.ones(len(chosen), np.float32)
    return Instances(label.shape, np.array(class_id, np.uint8), score, box, roi, tuple(masks)), chosen.tolist()


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
