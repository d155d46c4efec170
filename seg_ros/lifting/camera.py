"""The camera's model: which way a pixel looks, and where a point of space is seen."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import cv2
import numpy as np

from seg_ros.errors import FrameError

PLUMB_BOB, RATIONAL, EQUIDISTANT = "plumb_bob", "rational_polynomial", "equidistant"
_COEFFICIENTS = {PLUMB_BOB: (4, 5), RATIONAL: (8,), EQUIDISTANT: (4,)}
"""How many numbers a model has; none at all is a camera without distortion."""
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-8)
_EXACT = 0.05
"""px; a ray that is seen farther than this from its pixel is none: the lens model does not reach there."""
_LARGEST = 16384
"""px; most of a side."""


@dataclasses.dataclass(frozen=True)
class CameraModel:
    """A calibrated camera. Pixel centres have whole coordinates, as in `sensor_msgs/CameraInfo`.

    Attributes:
        size: `(H, W)`, px.
        focal: `(fx, fy)`, px.
        center: `(cx, cy)`, px.
        lens: `plumb_bob` (Brown 1966), `rational_polynomial` or `equidistant` (Kannala and Brandt 2006), as OpenCV
            computes them.
        distortion: the lens's coefficients, in OpenCV's order; empty for none.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    lens: str = PLUMB_BOB
    distortion: tuple[float, ...] = ()

    @classmethod
    def from_calibration(
        cls, size: tuple[int, int], matrix: Sequence[float], lens: str, distortion: Sequence[float]
    ) -> CameraModel:
        """Makes the model of what a `sensor_msgs/CameraInfo` says.

        Args:
            size: `(H, W)`, px.
            matrix: K, nine numbers, row by row.
            lens: `distortion_model`; with no coefficients it may be empty.
            distortion: D.

        Raises:
            FrameError: "calibration": it is of no camera: not calibrated (all zero), not finite, skewed, of another
                lens model, or with another number of coefficients.
        """
        k, d = [float(v) for v in matrix], [float(v) for v in distortion]
        if len(k) != 9 or not np.isfinite([*k, *d]).all():
            raise FrameError(
                "calibration", f"K and D must be finite and K 9 numbers, got {k}, {d}: calibrate the camera"
            )
        if k[0] <= 0 or k[4] <= 0:
            raise FrameError(
                "calibration", f"focal lengths must be over 0, got {k[0]:g} and {k[4]:g}: calibrate the camera"
            )
        if [k[1], k[3], *k[6:]] != [0, 0, 0, 0, 1]:
            raise FrameError(
                "calibration", f"K must be fx 0 cx, 0 fy cy, 0 0 1, got {k}: skewed axes are not supported"
            )
        if not all(0 < side <= _LARGEST for side in size):
            raise FrameError(
                "calibration", f"the camera must have sides of 1 to {_LARGEST} px, got {size[1]}x{size[0]}"
            )
        d = d if any(d) else []
        if d and lens not in _COEFFICIENTS:
            raise FrameError(
                "calibration", f"lens model '{lens[:40]}' is not supported; supported: {', '.join(_COEFFICIENTS)}"
            )
        if d and len(d) not in _COEFFICIENTS[lens]:
            need = " or ".join(map(str, _COEFFICIENTS[lens]))
            raise FrameError("calibration", f"{lens} has {need} coefficients, got {len(d)}: calibrate the camera")
        return cls(size, (k[0], k[4]), (k[2], k[5]), lens if d else PLUMB_BOB, tuple(d))

    def project(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns where the rays (x, y, 1) are seen: u and v, px. All arrays have one shape and dtype.

        Far outside the picture a lens model may fold back into it: ask only for rays up to `widest` of the axis.
        """
        if self.distortion:
            x, y = _distorted(self, x, y)
        return x * self.focal[0] + self.center[0], y * self.focal[1] + self.center[1]


@functools.lru_cache(maxsize=8)
def rays(camera: CameraModel) -> np.ndarray:
    """Returns which way each pixel looks: x and y of the ray (x, y, 1), `(2, H, W) float32`, read-only.

    NaN where the lens model has no ray. Computed once a calibration: of 1080p with distortion it takes a second.
    """
    height, width = camera.size
    v, u = np.indices((height, width), np.float64)
    x, y = (u - camera.center[0]) / camera.focal[0], (v - camera.center[1]) / camera.focal[1]
    if camera.distortion:
        d, matrix = np.float64(camera.distortion), np.eye(3)
        points = np.stack((x, y), -1).reshape(-1, 1, 2)
        if camera.lens == EQUIDISTANT:
            found = cv2.fisheye.undistortPoints(points, matrix, d, criteria=_STEPS)
        else:
            found = cv2.undistortPointsIter(points, matrix, d, None, None, _STEPS)
        x, y = found.reshape(height, width, 2).transpose(2, 0, 1)
        with np.errstate(all="ignore"):
            again = camera.project(x, y)
            off = np.hypot(again[0] - u, again[1] - v)
        x, y = (np.where(off < _EXACT, axis, np.nan) for axis in (x, y))
    out = np.stack((x, y)).astype(np.float32)
    out.flags.writeable = False
    return out


@functools.lru_cache(maxsize=8)
def widest(camera: CameraModel) -> float:
    """Returns the largest distance of a pixel's ray (x, y, 1) from the camera's axis, at distance 1."""
    x, y = rays(camera)
    return float(np.sqrt(np.nanmax(x * x + y * y, initial=0.0)))


def _distorted(camera: CameraModel, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    d = camera.distortion
    r2 = x * x + y * y
    if camera.lens == EQUIDISTANT:
        r = np.sqrt(r2)
        theta = np.arctan(r)
        t2 = theta * theta
        bent = theta * (1 + t2 * (d[0] + t2 * (d[1] + t2 * (d[2] + t2 * d[3]))))
        scale = np.where(r > 1e-8, bent / np.maximum(r, 1e-8), 1).astype(x.dtype)
        return x * scale, y * scale
    k1, k2, p1, p2, k3, k4, k5, k6 = d + (0.0,) * (8 - len(d))
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if k4 or k5 or k6:
        radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    xy = 2 * x * y
    return x * radial + p1 * xy + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + p2 * xy
