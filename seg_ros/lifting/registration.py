"""Takes a depth image to where another camera would have seen it."""

from __future__ import annotations

import numpy as np

from seg_ros.lifting.camera import CameraModel, rays, widest
from seg_ros.lifting.cloud import mismatch
from seg_ros.lifting.depth import metres
from seg_ros.lifting.lidar import Extrinsics

_LARGEST = 8
"""px; most of a side that a pixel of the depth image covers: what is nearer leaves holes."""
_NEAREST = 0.1
"""m; what is nearer to the camera is left out."""
_EDGE = 1e-3
"""px by which edges are moved: on whole numbers, as with twice the pixels, rounding would open gaps between them."""


def registered(depth: np.ndarray, sensor: CameraModel, place: Extrinsics, camera: CameraModel) -> np.ndarray:
    """Makes the depth image `(H, W) float32`, m, NaN where there is none, of `camera` out of a depth camera's.

    Each pixel is taken into space, and covers what its own size is in the other camera; of those that fall on one pixel
    the nearest counts (a z-buffer). So does the node `register` of depth_image_proc, with `fill_upsampling_holes`. What
    the depth camera does not see stays NaN, such as what is behind an edge as seen from its place.

    Args:
        depth: `(h, w)`, distance along the depth camera's axis, as of `metres`.
        sensor: the depth camera.
        place: of it in the other camera's coordinates.

    Raises:
        FrameError: "size": depth and sensor are not of one size.
    """
    if depth.shape != sensor.size:
        raise mismatch("the depth image", depth.shape, "its camera_info", sensor.size)
    far = metres(depth).ravel()
    x, y = (axis.ravel() * far for axis in rays(sensor))
    r, t = place.rotation.astype(np.float32), place.translation.astype(np.float32)
    z = r[2, 0] * x + r[2, 1] * y + r[2, 2] * far + t[2]
    with np.errstate(all="ignore"):  # NaN, and what lies beside or behind the camera
        across = (r[0, 0] * x + r[0, 1] * y + r[0, 2] * far + t[0]) / z
        down = (r[1, 0] * x + r[1, 1] * y + r[1, 2] * far + t[1]) / z
        ahead = np.flatnonzero((z > _NEAREST) & (across**2 + down**2 <= np.float32(1.1 * widest(camera) ** 2 + 0.01)))
    z = z[ahead]
    middles = camera.project(across[ahead], down[ahead])
    shrunk = far[ahead] / z
    sides = [np.clip(shrunk * np.float32(c / s), 1, _LARGEST) for c, s in zip(camera.focal, sensor.focal, strict=True)]
    first = [np.ceil(m - s / 2 - _EDGE).astype(np.int32) for m, s in zip(middles, sides, strict=True)]
    count = [np.ceil(m + s / 2 - _EDGE).astype(np.int32) - f for m, s, f in zip(middles, sides, first, strict=True)]
    height, width = camera.size
    nearest = np.full(height * width, np.inf, np.float32)
    for down in range(count[1].max(initial=0)):
        for across in range(count[0].max(initial=0)):
            row, column = first[1] + down, first[0] + across
            on = (
                (down < count[1]) & (across < count[0]) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            )
            np.minimum.at(nearest, row[on] * width + column[on], z[on])
    nearest[np.isinf(nearest)] = np.nan
    return nearest.reshape(height, width)
