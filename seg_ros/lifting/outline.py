"""How far an object reaches beyond a LiDAR's outermost points: to where its mask ends in the picture."""

from __future__ import annotations

import dataclasses

import numpy as np

from seg_ros.lifting.camera import CameraModel, rays
from seg_ros.lifting.lidar import Extrinsics

_THIN = 0.3
"""m; a box that is thinner has one side that is seen, and what looks like another is its noise."""


@dataclasses.dataclass(frozen=True)
class Outline:
    """Where a mask ends, in coordinates of the ground: ahead, left, up.

    Attributes:
        eye: `(3,)`, m, place of the camera.
        rays: `(4, 3)`, which way it sees the mask's left, right, upper and lower end; NaN where its lens has no ray.
    """

    eye: np.ndarray
    rays: np.ndarray

    @classmethod
    def of(cls, roi: np.ndarray, camera: CameraModel, sensor: Extrinsics, ground: np.ndarray) -> Outline:
        """Makes the outline of a mask in the box `roi`, x y w h, px.

        Args:
            sensor: place of the LiDAR in the camera's coordinates.
            ground: `(3, 3)`, turns the LiDAR's coordinates into those of the ground.
        """
        x, y, w, h = (int(v) for v in roi)
        row, column = y + h // 2, x + w // 2
        seen = rays(camera)[:, (row, row, y, y + h - 1), (x, x + w - 1, column, column)]
        turn = ground @ sensor.rotation.T
        return cls(-turn @ sensor.translation, np.vstack((seen, np.ones(4))).T @ turn.T)


def widened(
    low: np.ndarray, high: np.ndarray, points: np.ndarray, outline: Outline, turn: np.ndarray, most: float
) -> tuple[np.ndarray, np.ndarray]:
    """Moves the ends of a box outwards to those of the mask, by at most `most` m each.

    Seen from above, a rectangle ends left and right in a corner of a side that is seen. The points say on which line
    that side lies, and the mask, how far along: where the ray of its end meets the line (tangents as of Mousavian et
    al., 3D Bounding Box Estimation Using Deep Learning and Geometry, CVPR 2017). Above and below, the point that is
    nearest to the mask's end is moved there.

    Args:
        low, high: `(3,)`, m, along the box's length, its width, and up.
        points: `(N, 3)`, m, that it is around, ahead, left, up.
        turn: `(2, 2)`, columns are the directions of length and width, ahead, left.
    """
    ends = np.stack((low, high))
    for ray, left in zip(outline.rays[:2, :2] @ turn, (1, -1), strict=True):
        _widen_aside(ends, outline.eye[:2] @ turn, ray, left, most)
    flat = np.hypot(*(points[:, :2] - outline.eye[:2]).T)
    slope = (points[:, 2] - outline.eye[2]) / flat
    for end, i, ray in zip((1, 0), (slope.argmax(), slope.argmin()), outline.rays[2:], strict=True):
        _move(ends, end, 2, points[i, 2] + (ray[2] / np.hypot(*ray[:2]) - slope[i]) * flat[i], most)
    return ends[0], ends[1]


def _widen_aside(ends: np.ndarray, eye: np.ndarray, ray: np.ndarray, left: int, most: float) -> None:
    """Moves an end of the rectangle `ends[:, :2]` until it reaches as far left (1) or right (-1) of `eye` as `ray`."""
    low, high = ends[:, :2]
    near = np.where(eye < low, low, np.where(eye > high, high, np.nan))  # lines of the sides that are seen
    corners = np.array([(a, b) for a in (low[0], high[0]) for b in (low[1], high[1])])
    to = corners - eye
    beyond = left * (ray[0] * to[:, 1] - ray[1] * to[:, 0]) / np.hypot(*to.T)
    if not beyond.max() < 0:  # it is wide enough, or the ray is not known
        return
    corner = corners[beyond.argmax()]
    line = int(corner[1] == near[1])
    if high[1 - line] - low[1 - line] < _THIN and not np.isnan(near[1 - line]):
        line = 1 - line
    along, across = 1 - line, near[line] - eye[line]
    if across * ray[line] > 0:  # else the ray does not meet the line
        _move(ends, int(corner[along] == high[along]), along, eye[along] + across / ray[line] * ray[along], most)


def _move(ends: np.ndarray, end: int, axis: int, place: float, most: float) -> None:
    sign = 2 * end - 1
    ends[end, axis] += sign * min(max(0.0, sign * (place - ends[end, axis])), most)  # 0 of NaN
