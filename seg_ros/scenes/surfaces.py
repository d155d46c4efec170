"""The painted surfaces in space: every polygon and sprite of a picture is a flat piece at its true distance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np

_BEYOND = 1e-9
"""Smallest inverse distance, 1/m, on a surface: towards the horizon the ground has no end."""


@dataclasses.dataclass(frozen=True)
class Surface:
    """A flat piece of the scene, as the camera sees it.

    On a plane the inverse of the distance z along the camera's axis is linear in the pixel's place, so three numbers
    are the plane, exactly (as in plane-sweep and disparity geometry).

    Attributes:
        number: paint number.
        plane: `(3,)`, (a, b, c): 1/z = a u + b v + c, 1/m, with u and v in px.
        nearest, farthest: bounds of z, m: pixels of its edge lie partly beside it.
        outline: `(N, 2)`, px, of a convex polygon; None for a sprite or the ground.
        opaque: of a sprite, `(h, w) uint8` opacity; it is there from 128 on.
        to_texture: `(2, 3)`, from px of the picture to those of `opaque`.
    """

    number: int
    plane: np.ndarray
    nearest: float
    farthest: float
    outline: np.ndarray | None = None
    opaque: np.ndarray | None = None
    to_texture: np.ndarray | None = None

    @classmethod
    def polygon(cls, number: int, corners: np.ndarray) -> Surface:
        """Makes the surface of a convex polygon from its corners `(N, 3)`: u, v, px, and 1/z, 1/m.

        Of more than three corners, which the bend of the road takes out of one plane by centimetres, the nearest plane
        (least squares) counts.
        """
        rows = np.column_stack((corners[:, :2], np.ones(len(corners)))).astype(np.float64)
        plane = np.linalg.lstsq(rows, corners[:, 2].astype(np.float64), rcond=None)[0]
        inverse = corners[:, 2]
        return cls(number, plane, 1 / float(inverse.max()), 1 / float(inverse.min()), corners[:, :2])

    @classmethod
    def upright(cls, number: int, z: float, opaque: np.ndarray, to_texture: np.ndarray) -> Surface:
        """Makes the surface of a sprite that faces the camera at distance `z`, m."""
        return cls(number, np.float64((0, 0, 1 / z)), z, z, None, opaque, to_texture)

    def corners(self) -> np.ndarray | None:
        """Returns the corners of the outline, of a sprite those of its picture, `(N, 2)`, px; None for the ground."""
        if self.opaque is None:
            return self.outline
        h, w = self.opaque.shape
        there = np.float64(((0, 0), (w, 0), (w, h), (0, h))) - 0.5
        return (there - self.to_texture[:, 2]) @ np.linalg.inv(self.to_texture[:, :2]).T

    def covers(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Returns whether the surface is at the pixels' places `(N,)`, px: `(N,) bool`."""
        if self.outline is not None:
            a, b = self.outline, np.roll(self.outline, -1, 0)
            side = (b - a)[:, :1] * (v - a[:, 1:]) - (b - a)[:, 1:] * (u - a[:, :1])
            return (side >= 0).all(0) | (side <= 0).all(0)
        if self.opaque is None:
            return np.ones(u.shape, bool)
        place = (self.to_texture @ np.stack((u, v, np.ones_like(u)))).astype(np.float32)
        found = cv2.remap(self.opaque, place[:1], place[1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return found[0] > 127


def distances(index: np.ndarray, surfaces: list[Surface]) -> np.ndarray:
    """Returns the distance along the camera's axis `(H, W) float32`, m, inf where there is no surface.

    Args:
        index: `(H, W) uint16`, 1 + the position in `surfaces` of what is seen at the pixel; 0 for none.
    """
    table = np.zeros((len(surfaces) + 1, 5), np.float32)
    table[0, 3:] = 0, np.inf
    for i, surface in enumerate(surfaces, start=1):
        table[i] = *surface.plane, surface.nearest, surface.farthest
    a, b, c, nearest, farthest = (table[:, k][index] for k in range(5))
    v, u = np.indices(index.shape, np.float32, sparse=True)
    inverse = np.maximum(a * u + b * v + c, _BEYOND)
    return np.where(index > 0, np.clip(1 / inverse, nearest, farthest), np.float32(np.inf))


@dataclasses.dataclass(frozen=True)
class Space:
    """What a picture shows, in space, exact. Coordinates are the camera's: x right, y down, z ahead, m.

    Attributes:
        depth: `(H, W) float32`, distance z along the camera's axis, m; inf where there is only sky and skyline.
        matrix: `(3, 3) float64`, the camera's K; there is no distortion.
        surfaces: in the order in which they were painted: what comes later is in front.
        label, instance: class id `(256,) uint8` and object id `(256,) uint16` by paint number.
        ground: returns the class ids `(N,)` of the ground at columns `(N,)`, px, and distances `(N,)`, m.
        headings: by object id the angle, rad, from the camera's axis to the object's own, to the right.
        mirrored: whether the picture is the mirror image of `surfaces`, which `depth` already is.
    """

    depth: np.ndarray
    matrix: np.ndarray
    surfaces: tuple[Surface, ...]
    label: np.ndarray
    instance: np.ndarray
    ground: Callable[[np.ndarray, np.ndarray], np.ndarray]
    headings: dict[int, float]
    mirrored: bool
