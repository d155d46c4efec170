"""Boxes in metres around objects, from the points of their masks only."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from seg_ros.lifting.camera import CameraModel
from seg_ros.lifting.cloud import xyz
from seg_ros.lifting.fitting import GAP, THINNEST, Fit, fit
from seg_ros.lifting.lidar import Extrinsics
from seg_ros.lifting.outline import Outline
from seg_ros.results import Instances

OPTICAL = np.float32(((0, 0, 1), (-1, 0, 0), (0, -1, 0)))
"""Turns a level camera's coordinates (x right, y down, z ahead) into those of the ground: ahead, left, up."""
LEVEL = np.eye(3, dtype=np.float32)
"""The same of a level LiDAR (x ahead, y left, z up)."""
_ERODED = 1
"""px at a mask's edge that do not count: there depth and mask disagree, and depth is mixed."""
_OCCLUDED = 0.1
"""Share of the pixels around a mask that are nearer than the object, from which it is occluded."""
_POINTS = 600
"""Most points of an object that are looked at."""


@dataclasses.dataclass(frozen=True)
class Box:
    """A box that stands on the ground around what is seen of an object.

    Attributes:
        instance: id of the object.
        class_id: its class.
        score: 0..1.
        center: `(3,)`, m, in the cloud's coordinates.
        size: `(3,)`, length (along its own axis), width, height, m.
        yaw: angle of its own axis from straight ahead to the left, rad, -pi/2..pi/2: front and back look alike.
        points: how many it is from.
        truncated: whether the mask ends at the picture's border.
        occluded: whether something nearer hides a part of it.
        track_id: of the object, from frame to frame; 0 = none.
    """

    instance: int
    class_id: int
    score: float
    center: np.ndarray
    size: np.ndarray
    yaw: float
    points: int
    truncated: bool = False
    occluded: bool = False
    track_id: int = 0


def object_boxes(cloud: np.ndarray, objects: Instances, focal: float, ground: np.ndarray = OPTICAL) -> list[Box]:
    """Finds the boxes of a frame's objects in the organised cloud `(H, W)` of their camera.

    An object with fewer than `fitting.LEAST` points has none. Points at the edge of its mask do not count, nor those
    that a gap in depth parts from most of the others.

    Args:
        focal: focal length, px.
        ground: `(3, 3)`, turns the cloud's coordinates into ahead, left, up.
    """
    places = xyz(cloud)
    parts, margins = [], []
    for roi, mask in zip(objects.roi.tolist(), objects.masks, strict=True):
        x, y, w, h = roi
        eroded = min(w, h) > 4
        inner = cv2.erode(mask, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0) if eroded else mask
        stride = max(int(np.sqrt(np.count_nonzero(inner) / _POINTS)), 1)
        parts.append(places[y : y + h : stride, x : x + w : stride][inner[::stride, ::stride] > 0])
        margins.append((_ERODED * eroded + 0.5) / focal)
    found = []
    for i, fitted in enumerate(fit(parts, ground, margins)):
        if fitted is not None:
            occluded = _is_occluded(places[..., 2], objects.masks[i], objects.roi[i].tolist(), fitted.begins)
            found.append(_box(objects, i, fitted, occluded))
    return found


def scattered_boxes(
    cloud: np.ndarray, objects: Instances, sensor: Extrinsics, camera: CameraModel, ground: np.ndarray = LEVEL
) -> list[Box]:
    """Finds the boxes of a frame's objects in a painted cloud `(N,)`, whose points have their ids.

    As `object_boxes` does; but a box goes on from its outermost points to the end of the mask (`outline`), and where
    there are no points around a mask, `occluded` is not known, and False.

    Args:
        sensor: place of the LiDAR in the camera's coordinates.
        camera: the objects'.
        ground: `(3, 3)`, turns the cloud's coordinates into ahead, left, up.
    """
    inside = cloud[cloud["instance"] > 0]
    inside = inside[np.argsort(inside["instance"], kind="stable")]
    ids, starts = np.unique(inside["instance"], return_index=True)
    known = np.count_nonzero(ids <= len(objects))
    parts = [xyz(part) for part in np.split(inside, starts[1:])[:known]]
    outlines = [Outline.of(objects.roi[i - 1], camera, sensor, ground) for i in ids[:known]]
    fits = zip(ids.tolist(), fit(parts, ground, outlines=outlines), strict=False)
    return [_box(objects, i - 1, fitted) for i, fitted in fits if fitted is not None]


def _box(objects: Instances, i: int, fitted: Fit, occluded: bool = False) -> Box:
    x, y, w, h = objects.roi[i].tolist()
    truncated = x == 0 or y == 0 or x + w == objects.size[1] or y + h == objects.size[0]
    track = 0 if objects.tracks is None else int(objects.tracks.track_id[i])
    identity = i + 1, int(objects.class_id[i]), float(objects.score[i])
    return Box(*identity, fitted.center, fitted.size, fitted.yaw, fitted.points, truncated, occluded, track)


def around(points: np.ndarray, yaw: float, ground: np.ndarray = OPTICAL) -> tuple[np.ndarray, np.ndarray]:
    """Returns center and size of the smallest box of this yaw, rad, around the points `(N, 3)`, m."""
    points = points @ ground.T
    places = np.column_stack((points[:, :2] @ _turn(yaw), points[:, 2]))
    low, high = places.min(0), places.max(0)
    middle = (low + high) / 2
    return ground.T @ np.append(_turn(yaw) @ middle[:2], middle[2]), np.maximum(high - low, THINNEST)


def overlap(a: Box, b: Box, ground: np.ndarray = OPTICAL) -> float:
    """Returns the intersection over union of two boxes' volumes, 0..1."""
    (ca, ra), (cb, rb) = ((ground @ box.center, _rectangle(box, ground)) for box in (a, b))
    tall = min(ca[2] + a.size[2] / 2, cb[2] + b.size[2] / 2) - max(ca[2] - a.size[2] / 2, cb[2] - b.size[2] / 2)
    _, polygon = cv2.rotatedRectangleIntersection(ra, rb)
    if tall <= 0 or polygon is None:
        return 0.0
    common = tall * cv2.contourArea(cv2.convexHull(polygon))
    return float(common / (np.prod(a.size) + np.prod(b.size) - common))


_SQUARE = np.ones((2 * _ERODED + 1,) * 2, np.uint8)
_RING = np.ones((5, 5), np.uint8)


def _turn(yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array(((c, -s), (s, c)))


def _rectangle(box: Box, ground: np.ndarray) -> tuple:
    x, y = (ground @ box.center)[:2].tolist()
    return (x, y), box.size[:2].tolist(), float(np.degrees(box.yaw))


def _is_occluded(z: np.ndarray, mask: np.ndarray, roi: Sequence[int], begins: float) -> bool:
    """Returns whether along a part of a mask's outline something is nearer than where the object begins, m."""
    x, y, w, h = roi
    stride = max(int(np.sqrt(w * h / _POINTS)) // 2, 1)
    top, left = (v - 2 * stride if v >= 2 * stride else v % stride for v in (y, x))
    around = z[top : y + h + 2 * stride : stride, left : x + w + 2 * stride : stride]
    inside = np.zeros(around.shape, np.uint8)
    small = mask[::stride, ::stride]
    there = inside[(y - top) // stride :, (x - left) // stride :][: small.shape[0], : small.shape[1]]
    there[:] = small
    outline = cv2.dilate(inside, _RING) > inside
    nearer = np.count_nonzero(outline & (around < begins - GAP[0]))
    return nearer > _OCCLUDED * max(np.count_nonzero(outline), 1)
