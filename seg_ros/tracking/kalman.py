"""Predicts where boxes move: a Kalman filter of constant velocity for centre and size, over time in seconds.

The four coordinates of a box are filtered apart: centre x and y in pixels, and the logarithms of width and height, so
that an object that comes nearer grows at a steady rate and no size is ever negative. All boxes are computed at once.
The noise of the centre is in units of the object's own size: what is near moves and jitters by more pixels.
(Kalman, A New Approach to Linear Filtering and Prediction Problems, 1960; the noise model is white acceleration:
Bar-Shalom, Li, Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section 6.2.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_JITTER = 0.07
"""Deviation of a measured centre, in sizes of the object, and of the logarithm of a measured size."""
_ACCELERATION = np.array([2.0, 0.3, 0.4, 0.4])
"""Deviation of the change of velocity in one second: of the centre in sizes, of the logarithms of the size. What stands
on the ground moves across the picture far more than up and down."""
_SPEED = np.array([4.0, 0.7, 1.0, 1.0])
"""Deviation of the velocity of an object that is seen for the first time from what is expected, in the same units."""
_FASTEST = 3.0
"""Largest growth a second of the logarithm of a size that is believed."""
_SHRINKS = 0.7
"""The same of shrinking: objects come nearer fast, but go away slowly."""
_CUT, _CUT_IS_ALL = 0.7, 0.5
"""Share of its size below which an object is hidden in part; seconds in which what is seen becomes the whole of it."""


class Motion(NamedTuple):
    """What is known of N boxes.

    Attributes:
        place: `(N, 4)`, centre x and y (pixels), logarithms of width and height.
        velocity: `(N, 4)`, the same a second.
        covariance: `(N, 4, 3)`, variances of place and velocity, and between them their covariance.
    """

    place: np.ndarray
    velocity: np.ndarray
    covariance: np.ndarray

    def take(self, rows: np.ndarray) -> Motion:
        """Returns the chosen boxes."""
        return Motion(*(part[rows] for part in self))

    def joined(self, other: Motion) -> Motion:
        """Returns these boxes and, behind them, the others."""
        return Motion(*(np.concatenate(pair) for pair in zip(self, other, strict=True)))


def places(boxes: np.ndarray) -> np.ndarray:
    """Turns boxes `(x0, y0, x1, y1)`, `(N, 4)` pixels, into places as `Motion` has them."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
    return np.hstack(((boxes[:, :2] + boxes[:, 2:]) / 2, np.log(size)))


def boxes(motion: Motion) -> np.ndarray:
    """Returns the boxes `(x0, y0, x1, y1)`, `(N, 4)` pixels; they may lie outside the picture."""
    half = np.exp(motion.place[:, 2:]) / 2
    return np.hstack((motion.place[:, :2] - half, motion.place[:, :2] + half))


def begin(place: np.ndarray, velocity: np.ndarray) -> Motion:
    """Starts with boxes that are seen for the first time: `(N, 4)` places, and the velocities to be expected."""
    unit = _units(place)
    covariance = np.zeros((len(place), 4, 3))
    covariance[:, :, 0] = (_JITTER * unit) ** 2
    covariance[:, :, 2] = (_SPEED * unit) ** 2
    return Motion(place, velocity, covariance)


def predict(motion: Motion, seconds: float) -> Motion:
    """Moves all boxes on by `seconds`."""
    p, pv, v = (motion.covariance[:, :, k] for k in range(3))
    noise = (_ACCELERATION * _units(motion.place)) ** 2
    p = p + seconds * (2 * pv + seconds * v) + noise * seconds**3 / 3
    pv = pv + seconds * v + noise * seconds**2 / 2
    v = v + noise * seconds
    return Motion(motion.place + seconds * motion.velocity, motion.velocity, np.stack((p, pv, v), 2))


def correct(motion: Motion, place: np.ndarray) -> Motion:
    """Corrects boxes by what was measured of each, `(N, 4)` places."""
    p, pv, v = (motion.covariance[:, :, k] for k in range(3))
    total = p + (_JITTER * _units(motion.place)) ** 2
    gain, gain_v = p / total, pv / total
    surprise = place - motion.place
    velocity = motion.velocity + gain_v * surprise
    velocity[:, 2:] = np.clip(velocity[:, 2:], -_SHRINKS, _FASTEST)
    covariance = np.stack(((1 - gain) * p, (1 - gain) * pv, v - gain_v * pv), 2)
    return Motion(motion.place + gain * surprise, velocity, covariance)


def whole(motion: Motion, place: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Completes measured boxes that are much smaller than expected: something hides a part of the object.

    The edge that is nearer to where it should be is taken for the object's own, the other one is put where the size
    that is expected has it.

    Args:
        motion: of N boxes, predicted.
        place: `(N, 4)`, measured.
        seconds: `(N,)`, since each was seen.

    Returns:
        `(N, 4)` places.
    """
    size, expected = place[:, 2:], motion.place[:, 2:]
    cut = size < expected + np.log(_CUT)
    if not cut.any():
        return place
    full = np.where(cut, expected + (size - expected) * (1 - np.exp(-seconds / _CUT_IS_ALL))[:, None], size)
    half, own, wide = np.exp(size) / 2, np.exp(expected) / 2, np.exp(full) / 2
    low, high = place[:, :2] - half, place[:, :2] + half
    lower = np.abs(low - motion.place[:, :2] + own) <= np.abs(high - motion.place[:, :2] - own)
    centre = np.where(cut, np.where(lower, low + wide, high - wide), place[:, :2])
    return np.hstack((centre, full))


def _units(place: np.ndarray) -> np.ndarray:
    """Returns the unit of each coordinate, `(N, 4)`: the object's size for the centre, 1 for the logarithms."""
    units = np.ones_like(place)
    units[:, :2] = np.exp(place[:, 2:].mean(axis=1, keepdims=True))  # the geometric mean of width and height
    return units
