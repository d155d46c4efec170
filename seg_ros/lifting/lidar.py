"""A LiDAR's points get the labels of the camera pixels in which they are seen, unless something nearer hides them."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED
from seg_ros.lifting.camera import CameraModel, widest
from seg_ros.lifting.cloud import POINT, Labels, Style, mismatch

FOOTPRINT = (1.5, 0.5)
"""Degrees, height and width, that a point hides around itself: the gaps between the rings, and between their points."""
_CELLS = (4, 2)
"""Cells of the z-buffer in a footprint."""
_CLEARANCE = 0.7
"""m; a surface through two points that would pass the camera nearer than this is none: the farther point is hidden. The
ground passes it at the camera's height, a house at its distance."""
_GROUND = 1.2
"""m; height of the camera above the ground from which the ground never hides itself."""
_BEHIND = (0.5, 0.04)
"""Metres, and share of the distance, by which a point must be farther than what hides it."""
_BORDER = 1
"""px beside an edge of the labels that give none: calibration and labels are no better."""
_NEAREST = 0.1


@dataclasses.dataclass(frozen=True)
class Extrinsics:
    """Where a sensor is: p_camera = rotation @ p_sensor + translation.

    Attributes:
        rotation: `(3, 3) float32`.
        translation: `(3,) float32`, m.

    Raises:
        ValueError: they are not finite, or `rotation` is no rotation.
    """

    rotation: np.ndarray
    translation: np.ndarray

    def __post_init__(self) -> None:
        r, t = np.asarray(self.rotation, np.float64), np.asarray(self.translation, np.float64)
        if r.shape != (3, 3) or t.shape != (3,) or not np.isfinite(r).all() or not np.isfinite(t).all():
            raise ValueError(f"extrinsics must be 3x3 and 3 finite numbers, got {r.shape} and {t.tolist()}")
        if not np.allclose(r @ r.T, np.eye(3), atol=1e-3) or np.linalg.det(r) < 0:
            raise ValueError(f"the rotation must be orthonormal and right-handed, got {r.tolist()}")

    @classmethod
    def from_quaternion(cls, translation: np.ndarray, quaternion: np.ndarray) -> Extrinsics:
        """Makes them of x y z (m) and a quaternion x y z w, as tf2 gives them.

        Raises:
            ValueError: they are not finite, or the quaternion's length is not 1.
        """
        q = np.asarray(quaternion, np.float64)
        if q.shape != (4,) or not abs(np.linalg.norm(q) - 1) < 0.01:
            raise ValueError(f"a rotation is a quaternion x y z w of length 1, got {q.tolist()}")
        x, y, z, w = q / np.linalg.norm(q)
        rotation = (
            (1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)),
            (2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)),
            (2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)),
        )
        return cls(np.float32(rotation), np.asarray(translation, np.float32))


def paint(
    points: np.ndarray,
    sensor: Extrinsics,
    camera: CameraModel,
    labels: Labels,
    style: Style,
    footprint: tuple[float, float] = FOOTPRINT,
) -> np.ndarray:
    """Makes a cloud `(N,)` of `POINT` of a sensor's points, in its own coordinates and order.

    Points that the camera does not see are unlabelled: those behind it or beside its picture, those within a pixel of
    an edge of the labels, and those that a nearer point hides. That is a z-buffer of the points, in which each covers a
    footprint that closes the gaps between them (as Pintus et al., Real-time Rendering of Massive Unstructured Raw Point
    Clouds, 2011, do). The ground, whose points are the farther the higher they are seen, does not hide itself:
    a footprint is a cone, which is the farther behind its point the farther beside it.

    Args:
        points: `(N, 3) float32`, m; those with NaN stay as they are, unlabelled.
        sensor: its place.
        footprint: degrees, height and width.

    Raises:
        FrameError: "size": labels and camera are not of one size.
    """
    if labels.label.shape != camera.size:
        raise mismatch("the label", labels.label.shape, "the camera_info", camera.size)
    seen, row, column, z = _seen(points, sensor, camera)
    shown = ~_hidden(row, column, z, camera, footprint) & _inside(labels.label)[row, column]
    seen, row, column = seen[shown], row[shown], column[shown]
    cloud = np.zeros(len(points), POINT)
    for i, axis in enumerate("xyz"):
        cloud[axis] = points[:, i]
    label = np.full(len(points), UNLABELLED, np.uint8)
    at = row * camera.size[1] + column
    label[seen] = np.take(labels.label, at)
    cloud["label"], cloud["rgb"] = label, style.rgb[label]
    if labels.instance is not None:
        cloud["instance"][seen] = np.take(labels.instance, at)
    if labels.confidence is not None:
        cloud["confidence"][seen] = np.take(labels.confidence, at)
    return cloud if style.kept.all() else cloud[style.kept[label]]


def _seen(points: np.ndarray, sensor: Extrinsics, camera: CameraModel) -> tuple[np.ndarray, ...]:
    """Returns the indices `(M,)` of the points in the picture, and their row, column (int32, px) and z (m)."""
    height, width = camera.size
    r, t = sensor.rotation.astype(np.float32), sensor.translation.astype(np.float32)
    z = points @ r[2] + t[2]
    with np.errstate(all="ignore"):  # NaN, and what lies beside the camera
        x, y = (points @ r[0] + t[0]) / z, (points @ r[1] + t[1]) / z
        ahead = np.flatnonzero((z > _NEAREST) & (x * x + y * y <= np.float32(1.01 * widest(camera) ** 2)))
    u, v = camera.project(np.take(x, ahead), np.take(y, ahead))
    inside = np.flatnonzero((u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5))
    row, column = (np.rint(np.take(axis, inside)).astype(np.int32) for axis in (v, u))
    seen = np.take(ahead, inside)
    return seen, row, column, np.take(z, seen)


def _hidden(
    row: np.ndarray, column: np.ndarray, z: np.ndarray, camera: CameraModel, footprint: tuple[float, float]
) -> np.ndarray:
    """Returns which points `(M,) bool` have something nearer in front."""
    reach = [np.tan(np.radians(d)) * f for d, f in zip(footprint, camera.focal[::-1], strict=True)]
    cell = [max(int(r / n), 1) for r, n in zip(reach, _CELLS, strict=True)]
    around = [int(np.ceil(r / c)) for r, c in zip(reach, cell, strict=True)]
    inverse = np.zeros([-(-size // c) for size, c in zip(camera.size, cell, strict=True)], np.float32)
    place = row // cell[0], column // cell[1]
    np.maximum.at(inverse, place, 1 / z)
    for axis in (0, 1):
        inverse = _cones(inverse, axis, around[axis], cell[axis] / (camera.focal[1 - axis] * _CLEARANCE))
    within = cell[0] / (camera.focal[1] * _GROUND)  # of the ground there is a nearer and a farther end in a cell
    front = 1 / np.maximum(inverse[place] - np.float32(within), 1e-6)
    return z > front * np.float32(1 + _BEHIND[1]) + np.float32(_BEHIND[0])


def _cones(inverse: np.ndarray, axis: int, reach: int, slope: float) -> np.ndarray:
    """Widens each cell of inverse distances, 1/m, by `reach` cells either way, falling by `slope` a cell."""
    out = inverse.copy()
    length = inverse.shape[axis]
    for n in range(1, min(reach + 1, length)):
        fallen = inverse - np.float32(slope * (n - 0.5))
        near, far = ((slice(None),) * axis + (part,) for part in (slice(n, None), slice(length - n)))
        np.maximum(out[near], fallen[far], out=out[near])
        np.maximum(out[far], fallen[near], out=out[far])
    return out


def _inside(label: np.ndarray) -> np.ndarray:
    """Returns which pixels `(H, W) bool` have only neighbours of their own label."""
    square = np.ones((2 * _BORDER + 1,) * 2, np.uint8)
    return cv2.erode(label, square) == cv2.dilate(label, square)
