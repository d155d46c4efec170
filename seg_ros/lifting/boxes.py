"""Boxes in metres around objects, from the points of their masks only."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from seg_ros.lifting.camera import CameraModel
from seg_ros.lifting.cloud import xyz
from seg_ros.lifting.lidar import Extrinsics
from seg_ros.lifting.outline import Outline, widened
from seg_ros.results import Instances

OPTICAL = np.float32(((0, 0, 1), (-1, 0, 0), (0, -1, 0)))
"""Turns a level camera's coordinates (x right, y down, z ahead) into those of the ground: ahead, left, up."""
LEVEL = np.eye(3, dtype=np.float32)
"""The same of a level LiDAR (x ahead, y left, z up)."""
LEAST = 10
"""Fewest points of a box."""
_ERODED = 1
"""px at a mask's edge that do not count: there depth and mask disagree, and depth is mixed."""
_THINNEST = 0.1
"""m; least side of a box: a surface that is seen from one side only has no depth."""
_GAP = (0.6, 0.04)
"""Metres, and share of the distance, without points that end an object."""
_SPARSE = 0.02
"""Share of an object's points that do not connect it with what is behind: mixed pixels, leaves, a fence's holes."""
_OUTLIERS = 0.5
"""Percent of the points that may lie beyond each side."""
_OCCLUDED = 0.1
"""Share of the pixels around a mask that are nearer than the object, from which it is occluded."""
_POINTS = 600
"""Most points of an object that are looked at."""
_CORNERS = 80
"""Most points that find the yaw."""


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

    An object with fewer than `LEAST` points has none. Points at the edge of its mask do not count, nor those that a gap
    in depth parts from most of the others.

    Args:
        focal: focal length, px.
        ground: `(3, 3)`, turns the cloud's coordinates into ahead, left, up.
    """
    found, places = [], xyz(cloud)
    for i in range(len(objects)):
        x, y, w, h = (int(v) for v in objects.roi[i])
        mask = objects.masks[i]
        inner = cv2.erode(mask, _SQUARE, borderType=cv2.BORDER_CONSTANT, borderValue=0) if min(w, h) > 4 else mask
        stride = max(int(np.sqrt(np.count_nonzero(inner) / _POINTS)), 1)
        rows, columns = np.nonzero(inner[::stride, ::stride])
        points = places[y + rows * stride, x + columns * stride]
        fitted = fit(points, ground, (_ERODED + 0.5) / focal if inner is not mask else 0.5 / focal)
        if fitted is None:
            continue
        truncated = x == 0 or y == 0 or x + w == objects.size[1] or y + h == objects.size[0]
        hidden = _is_occluded(places[..., 2], mask, (x, y, w, h), fitted[4])
        identity = i + 1, int(objects.class_id[i]), float(objects.score[i])
        found.append(Box(*identity, *fitted[:4], truncated, hidden, _track(objects, i)))
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
    found = []
    for instance, part in zip(ids.tolist(), np.split(inside, starts[1:]), strict=True):
        if instance > len(objects):
            continue
        fitted = fit(xyz(part), ground, outline=Outline.of(objects.roi[instance - 1], camera, sensor, ground))
        if fitted is None:
            continue
        x, y, w, h = (int(v) for v in objects.roi[instance - 1])
        truncated = x == 0 or y == 0 or x + w == objects.size[1] or y + h == objects.size[0]
        identity = instance, int(objects.class_id[instance - 1]), float(objects.score[instance - 1])
        found.append(Box(*identity, *fitted[:4], truncated, track_id=_track(objects, instance - 1)))
    return found


def _track(objects: Instances, index: int) -> int:
    return 0 if objects.tracks is None else int(objects.tracks.track_id[index])


def fit(
    points: np.ndarray, ground: np.ndarray, margin: float = 0.0, outline: Outline | None = None
) -> tuple[np.ndarray, np.ndarray, float, int, float] | None:
    """Fits a box around the points `(N, 3)`, m, of one object; None if there are too few.

    The yaw is that of the best L: two edges of a rectangle that lie as close to the points as any (closeness criterion
    of Zhang et al., Efficient L-Shape Fitting for Vehicle Detection Using Laser Scanners, IV 2017).

    Args:
        ground: `(3, 3)`, turns coordinates into ahead, left, up.
        margin: what is missing at each edge of the mask, as a share of the distance.
        outline: of the mask, to which the box is widened; None does not.

    Returns:
        Center, size, yaw, number of points, and the distance along the camera's axis where it begins.
    """
    points = points[np.isfinite(points[:, 2])] @ ground.T
    if len(points) < LEAST:
        return None
    points = points[_connected(np.hypot(points[:, 0], points[:, 1]))]
    if len(points) < LEAST:
        return None
    few = points[:: -(-len(points) // _CORNERS), :2]
    yaw = _yaw(few)
    turned = points[:, :2] @ _turn(yaw)
    places = np.column_stack((turned, points[:, 2]))
    places.sort(axis=0)
    beyond = int(len(places) * _OUTLIERS / 100)
    low, high = places[beyond], places[-1 - beyond]
    if outline is not None:
        most = _GAP[0] + _GAP[1] * float(np.hypot(*points[:, :2].mean(0)))
        low, high = widened(low, high, points, outline, _turn(yaw), most)
    middle = (low + high) / 2
    center = np.append(_turn(yaw) @ middle[:2], middle[2])
    distance = float(np.hypot(*center[:2]))
    across = np.abs(_turn(yaw).T @ (-center[1], center[0])) / max(distance, 1e-6)  # of each side, seen from the sensor
    size = high - low + 2 * margin * distance * np.append(across, 1.0)
    if size[1] > size[0]:
        size[:2] = size[1::-1]
        yaw += np.pi / 2
    yaw = (yaw + np.pi / 2) % np.pi - np.pi / 2
    return ground.T @ center, np.maximum(size, _THINNEST), float(yaw), len(points), float(points[:, 0].min())


def around(points: np.ndarray, yaw: float, ground: np.ndarray = OPTICAL) -> tuple[np.ndarray, np.ndarray]:
    """Returns center and size of the smallest box of this yaw, rad, around the points `(N, 3)`, m."""
    points = points @ ground.T
    places = np.column_stack((points[:, :2] @ _turn(yaw), points[:, 2]))
    low, high = places.min(0), places.max(0)
    middle = (low + high) / 2
    return ground.T @ np.append(_turn(yaw) @ middle[:2], middle[2]), np.maximum(high - low, _THINNEST)


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
_ANGLES = np.radians(np.arange(0, 90, 5.0))


def _turn(yaw: float) -> np.ndarray:
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array(((c, -s), (s, c)))


def _rectangle(box: Box, ground: np.ndarray) -> tuple:
    x, y = (ground @ box.center)[:2].tolist()
    return (x, y), box.size[:2].tolist(), float(np.degrees(box.yaw))


def _connected(distance: np.ndarray) -> np.ndarray:
    """Returns which points `(N,) bool` are of the largest part that no gap parts."""
    order = np.argsort(distance)
    ranked = distance[order]
    step = max(int(len(ranked) * _SPARSE), 1)
    jump = ranked[step:] - ranked[:-step]
    dense = np.append(jump < _GAP[0] + _GAP[1] * ranked[:-step], np.zeros(step, bool))
    dense[-step:] = dense[-step - 1]
    part = np.cumsum(~dense)
    ends = np.bincount(part[dense]) if dense.any() else np.zeros(1, int)
    kept = np.zeros(len(ranked), bool)
    chosen = dense & (part == ends.argmax())
    if chosen.any():  # with the points that the last step reaches
        first, last = np.flatnonzero(chosen)[[0, -1]]
        chosen[first : last + 1] = True
    kept[order] = chosen
    return kept


def _yaw(points: np.ndarray) -> float:
    """Returns the yaw, 0..pi/2 rad, of the rectangle whose nearer edges are closest to the points `(N, 2)`, m."""
    best = _closest(points, _ANGLES)
    return _closest(points, best + np.radians(np.arange(-2.5, 2.6, 0.5)))


def _closest(points: np.ndarray, angles: np.ndarray) -> float:
    c, s = (np.float32(f(angles))[:, None] for f in (np.cos, np.sin))
    x, y = np.float32(points.T)
    edges = []
    for axis in (c * x + s * y, c * y - s * x):
        low, high = axis.min(1, keepdims=True), axis.max(1, keepdims=True)
        to_low, to_high = axis - low, high - axis
        nearer = (to_low**2).sum(1, keepdims=True) < (to_high**2).sum(1, keepdims=True)
        edges.append(np.where(nearer, to_low, to_high))
    closeness = 1 / np.maximum(np.minimum(*edges), 0.02)
    return float(angles[closeness.sum(1).argmax()])


def _is_occluded(z: np.ndarray, mask: np.ndarray, roi: tuple[int, int, int, int], begins: float) -> bool:
    """Returns whether along a part of a mask's outline something is nearer than where the object begins, m."""
    x, y, w, h = roi
    stride = max(int(np.sqrt(w * h / _POINTS)) // 2, 1)
    edge = 2 * stride
    top, left = max(y - edge, 0), max(x - edge, 0)
    around = z[top : y + h + edge : stride, left : x + w + edge : stride]
    inside = np.zeros((around.shape[0] * stride, around.shape[1] * stride), np.uint8)
    there = inside[y - top : y - top + h, x - left : x - left + w]
    there[:] = mask[: there.shape[0], : there.shape[1]]
    inside = np.ascontiguousarray(inside[::stride, ::stride])
    rows, columns = np.nonzero(cv2.dilate(inside, np.ones((5, 5), np.uint8)) > inside)
    nearer = np.count_nonzero(around[rows, columns] < begins - _GAP[0])
    return nearer > _OCCLUDED * max(len(rows), 1)
