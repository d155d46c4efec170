"""A camera picture, and what is known of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seg_ros.lifting import Box
from seg_ros.results import Instances
from seg_ros.scenes.depth_camera import DepthCamera
from seg_ros.scenes.lidar import Scan


class Measured(NamedTuple):
    """What a depth camera and a LiDAR measure of a scene, and its true objects.

    Attributes:
        depth: `(H, W) uint16`, mm along the depth camera's axis; 0 where it sees nothing.
        depth_camera: how it measures.
        depth_matrix: `(3, 3) float64`, its camera matrix, px, without distortion.
        boxes: of what is seen of the true objects, in the camera's coordinates; ids are the true object ids.
        scan: of the LiDAR, where it scans this picture.
        objects: the true objects in the picture.
    """

    depth: np.ndarray
    depth_camera: DepthCamera
    depth_matrix: np.ndarray
    boxes: tuple[Box, ...]
    scan: Scan | None
    objects: Instances


class Picture(NamedTuple):
    """A camera picture, and the truth about it where that is known.

    Attributes:
        image: `(H, W, 3) uint8` BGR.
        label: `(H, W) uint8`, true class ids.
        instance: `(H, W) uint16`, true object ids; 0 = none.
        matrix: `(3, 3) float64`, the camera matrix, px, of a camera without distortion.
        space: the same in metres.
    """

    image: np.ndarray
    label: np.ndarray | None = None
    instance: np.ndarray | None = None
    matrix: np.ndarray | None = None
    space: Measured | None = None
