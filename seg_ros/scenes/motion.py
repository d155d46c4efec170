"""Where what stands still on the street is seen some time later: exact optical flow of the ground, houses and trees."""

from __future__ import annotations

import numpy as np

from seg_ros.scenes.camera import NEAR, View

_SKY_BEND = 20.0
"""Metres ahead whose bend of the road turns the sky, as `Street` paints it."""


def still_places(before: View, after: View, depth: np.ndarray, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """Computes where the surface at each pixel is seen later, if it stands still.

    Args:
        before, after: the camera at both moments.
        depth: `(H, W) float32`, m, of the first; inf for the sky.
        mirrored: whether the pictures are mirror images of what the views say.

    Returns:
        Columns and rows, px, `(2, H, W) float32`, perhaps outside of the picture; and the distances then, m, `(H, W)`.
    """
    height, width = depth.shape
    u, v = np.arange(width, dtype=np.float32)[None] + 0.5, np.arange(height, dtype=np.float32)[:, None]
    u = width - u if mirrored else u
    sky = ~np.isfinite(depth)
    z = np.where(sky, np.float32(1.0), depth)
    later = np.maximum(z - np.float32(after.s - before.s), np.float32(NEAR))
    across = (u - width / 2) / before.focal - before.yaw
    near = ((across - 0.5 * before.bend * z) * z + before.x - after.x) / later + 0.5 * after.bend * later
    far = across + _SKY_BEND * (after.bend - before.bend)
    u = width / 2 + after.focal * (np.where(sky, far, near) + after.yaw)
    u = width - u if mirrored else u
    v = after.horizon + (v - before.horizon) * np.where(sky, 1.0, z / later)
    return np.stack((u - 0.5, v)).astype(np.float32), np.where(sky, np.float32(np.inf), later)
