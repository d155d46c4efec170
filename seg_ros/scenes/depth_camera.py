"""A depth camera in the street: exact, or with the faults of real ones, or in a place of its own."""

from __future__ import annotations

import dataclasses

import numpy as np

from seg_ros.scenes.lidar import cast
from seg_ros.scenes.noise import smooth_noise
from seg_ros.scenes.surfaces import Space

_HOLE = 6
"""px; how large a hole usually is."""
_SMALLER = 2
"""A camera of its own has so many times fewer pixels along each side."""
_WIDER = 1.2
"""And sees so many times more, so that it covers the picture from beside."""


@dataclasses.dataclass(frozen=True)
class DepthCamera:
    """How a depth camera measures; without arguments it is the labelled camera's own view, exactly.

    Attributes:
        noise: standard deviation of a distance at 1 m, m. It grows with the square of the distance, as that of
            stereo and structured light does (Khoshelham and Elberink, Accuracy and Resolution of Kinect Depth Data for
            Indoor Mapping Applications, Sensors 2012).
        holes: share of pixels, 0..1, where it sees nothing, in blots.
        offset: seconds by which its images are later than the labelled camera's; negative is earlier.
        place: of a camera of its own, m, in the labelled camera's coordinates (x right, y down, z ahead), which looks
            the same way with half as many rows and columns; None is the labelled camera itself.
    """

    noise: float = 0.0
    holes: float = 0.0
    offset: float = 0.0
    place: tuple[float, float, float] | None = None


def measured(space: Space, camera: DepthCamera, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Returns a depth image `(H, W) uint16`, mm along the camera's axis, and the camera's matrix `(3, 3) float64`, px.

    It is 0 where the camera sees nothing, or nothing below 65.5 m.

    Args:
        seed: of noise and holes.
    """
    depth, matrix = (space.depth, space.matrix) if camera.place is None else _beside(space, camera.place)
    rng = np.random.default_rng((seed, 5))
    if camera.noise:
        with np.errstate(invalid="ignore"):  # of the sky, which is infinitely far away
            depth = depth + camera.noise * depth * depth * rng.standard_normal(depth.shape, np.float32)
    millimetres = np.rint(depth * 1000)
    seen = (millimetres > 0) & (millimetres < 0xFFFF)
    if camera.holes:
        blots = smooth_noise(rng, depth.shape, (_HOLE, _HOLE))
        seen &= blots >= np.quantile(blots, camera.holes)
    return np.where(seen, millimetres, 0).astype(np.uint16), matrix


def _beside(space: Space, place: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distances `(H, W) float32`, m, that a camera elsewhere sees, and its matrix."""
    height, width = (side // _SMALLER for side in space.depth.shape)
    matrix = space.matrix.copy()
    matrix[:2, 2] = (space.matrix[:2, 2] + 0.5) / _SMALLER - 0.5
    matrix[[0, 1], [0, 1]] /= _SMALLER * _WIDER
    v, u = np.indices((height, width), np.float64)
    rays = np.stack((u, v, np.ones_like(u)), -1).reshape(-1, 3) @ np.linalg.inv(matrix).T  # of z = 1
    origin = np.float64(place)
    if space.mirrored:
        origin[0] *= -1
        rays[:, 0] *= -1
    along, *_ = cast(space, origin, rays, (height, width))
    return along.reshape(height, width).astype(np.float32), matrix
