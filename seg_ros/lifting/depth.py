"""A depth image and labels of one camera make an organised cloud: a point for every pixel."""

from __future__ import annotations

import numpy as np

from seg_ros.lifting.camera import CameraModel, rays
from seg_ros.lifting.cloud import POINT, WORDS, Labels, Style, check_sizes

_BLOCK = 1 << 19
"""Bytes of points that are made at a time: they stay in the processor's cache until all their fields are there."""
_METRES = np.arange(1 << 16, dtype=np.float32) / 1000
_METRES[[0, 0xFFFF]] = np.nan
"""Metres by millimetres; 0 and 65535 are what cameras say where they see nothing."""


def metres(depth: np.ndarray) -> np.ndarray:
    """Returns a depth image in metres, float32, NaN where there is none.

    Args:
        depth: uint16 millimetres (0 and 65535 are none), or float32 metres (what is not finite or not over 0 is none).
    """
    if depth.dtype == np.uint16:
        return np.take(_METRES, depth)
    return np.where((depth > 0) & (depth < np.inf), depth, np.float32(np.nan))


def organised(
    depth: np.ndarray, camera: CameraModel, labels: Labels, style: Style, out: np.ndarray | None = None
) -> np.ndarray:
    """Makes a cloud `(H, W)` of `POINT`, in the camera's coordinates (x right, y down, z ahead).

    Args:
        depth: `(H, W)`, distance along the camera's axis, as of `metres`.
        camera: that both depth and labels are of.
        out: an earlier cloud that is not needed any more: its memory is used where the size is the same, which takes
            half the time for large clouds, since the kernel clears none.

    Raises:
        FrameError: "size": depth, labels and camera are not of one size.
    """
    check_sizes(depth, camera, labels)
    height, width = depth.shape
    x, y = rays(camera)
    if out is None or out.shape != depth.shape:
        out = np.empty((height, width), POINT)
    words = out.view(np.uint32).reshape(height, width, WORDS)
    floats, rest = words.view(np.float32), words.view(np.uint16)
    keep = None if style.kept.all() else np.where(style.kept, np.float32(1), np.float32(np.nan))
    step = max(_BLOCK // (width * POINT.itemsize), 1)
    for rows in (slice(i, i + step) for i in range(0, height, step)):
        label = labels.label[rows]
        z = metres(depth[rows])
        if keep is not None:
            z *= np.take(keep, label)
        np.multiply(x[rows], z, out=floats[rows, :, 0])
        np.multiply(y[rows], z, out=floats[rows, :, 1])
        floats[rows, :, 2] = z
        words[rows, :, 3] = np.take(style.rgb, label)
        words[rows, :, 4] = label
        rest[rows, :, 10] = 0 if labels.instance is None else labels.instance[rows]
        rest[rows, :, 11] = 0 if labels.confidence is None else labels.confidence[rows]
    return out
