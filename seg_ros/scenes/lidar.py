"""A LiDAR on the roof of the car that drives down the street: the painted surfaces, seen along its own rays."""

from __future__ import annotations

import dataclasses

import numpy as np

from seg_ros.scenes.surfaces import Space, Surface

_RINGS = np.radians(np.linspace(-25.0, 15.0, 32))
_AZIMUTHS = np.radians(np.arange(50.0, -50.1, -0.2))
FARTHEST = 80.0
"""m; what is further away sends no light back."""
_NOISE = 0.02
"""Standard deviation of a measured distance, m."""
_LOST = 0.01
"""Share of rays that do not come back although they should."""
PLACE = (0.2, -0.4, -0.3)
"""Where the LiDAR is, m, in the camera's coordinates (x right, y down, z ahead)."""
AXES = np.float64(((0, -1, 0), (0, 0, -1), (1, 0, 0)))
"""Turns the LiDAR's coordinates (x ahead, y left, z up) into the camera's."""
QUATERNION = (0.5, -0.5, 0.5, 0.5)
"""The same turn as x y z w."""


@dataclasses.dataclass(frozen=True)
class Scan:
    """One scan ahead, of those rays that came back, N of at most 32 x 501.

    Attributes:
        points: `(N, 3) float32`, m, x ahead, y to the left, z up.
        ring: `(N,) uint16`, 0 for the lowest.
        label: `(N,) uint8`, true class ids.
        instance: `(N,) uint16`, true object ids; 0 = none.
    """

    points: np.ndarray
    ring: np.ndarray
    label: np.ndarray
    instance: np.ndarray


def scan(space: Space, seed: int = 0, place: tuple[float, float, float] = PLACE, noise: float = _NOISE) -> Scan:
    """Scans what a picture shows: 32 rings from -25 to 15 degrees, every 0.2 degrees from 50 left to 50 right.

    The surfaces hide each other as they do in the picture.

    Args:
        seed: of noise and lost rays.
        place: of the LiDAR, m, in the camera's coordinates.
        noise: standard deviation of a distance, m.
    """
    origin = np.float64(place)
    ring, azimuth = (grid.ravel() for grid in np.meshgrid(np.arange(len(_RINGS)), _AZIMUTHS, indexing="ij"))
    flat = np.cos(_RINGS[ring])
    local = np.stack((flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(_RINGS[ring])), 1)
    rays = local @ AXES.T
    if space.mirrored:
        origin[0] *= -1
        rays[:, 0] *= -1
    along, number, column, z = cast(space, origin, rays, (len(_RINGS), len(_AZIMUTHS)))
    rng = np.random.default_rng((seed, 3))
    back = (along < FARTHEST) & (rng.random(len(along)) >= _LOST)
    measured = along[back] + noise * rng.standard_normal(np.count_nonzero(back))
    seen = number[back]
    label = np.where(seen > 0, space.label[seen], space.ground(column[back], z[back]))
    points = (local[back] * measured[:, None]).astype(np.float32)
    return Scan(points, ring[back].astype(np.uint16), label.astype(np.uint8), space.instance[seen])


def cast(space: Space, origin: np.ndarray, rays: np.ndarray, grid: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Returns of what each ray hits: after how many times the ray, paint number, image column, px, and z, m.

    The first is the distance, m, of rays of length 1. Number 0 is the ground; inf is where nothing is hit.

    Args:
        origin: `(3,)`, m, of all rays, in the coordinates of `space.surfaces`, which a mirrored space mirrors.
        rays: `(N, 3)`; those of one column of the grid have one x / z.
        grid: rows and columns of the rays, N = rows * columns.
    """
    along, number = np.full(len(rays), np.inf), np.zeros(len(rays), np.uint8)
    column, z = np.zeros(len(rays)), np.zeros(len(rays))
    across, down = (rays[:, i] / rays[:, 2] for i in (0, 1))
    across, down = across[: grid[1]], down.reshape(grid)
    for surface in space.surfaces:
        near = _near(surface, space.matrix, origin, across, down)
        if not len(near):
            continue
        # 1/z = (a, b, c) (u, v, 1) and z (u, v, 1) = K p, so that (a, b, c) K p = 1 for points p of the plane
        normal = surface.plane @ space.matrix
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (1 - normal @ origin) / (rays[near] @ normal)
            points = origin + distance[:, None] * rays[near]
            u, v, _ = space.matrix @ (points / points[:, 2:]).T
        there = (distance > 0) & (points[:, 2] > 0.5) & (points[:, 2] < surface.farthest + 1)
        there[there] = surface.covers(u[there], v[there])
        hit = near[there]
        along[hit], number[hit], column[hit], z[hit] = distance[there], surface.number, u[there], points[there, 2]
    return along, number, column, z


def _near(surface: Surface, matrix: np.ndarray, origin: np.ndarray, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Returns the indices of the rays that may hit a surface: those in the box around it, seen from `origin`.

    Args:
        across: `(A,)`, x / z of the rays by azimuth.
        down: `(R, A)`, their y / z by ring and azimuth.
    """
    corners = surface.corners()
    if corners is None:
        return np.arange(down.size)
    pixels = np.column_stack((corners, np.ones(len(corners))))
    z = 1 / np.clip(pixels @ surface.plane, 1 / surface.farthest, 1 / surface.nearest)
    points = (pixels @ np.linalg.inv(matrix).T) * z[:, None] - origin
    seen = points[:, :2] / np.maximum(points[:, 2:], 0.1)
    low, high = seen.min(0) - 1e-3, seen.max(0) + 1e-3
    columns = np.flatnonzero((across >= low[0]) & (across <= high[0]))
    if not len(columns):
        return columns
    part = down[:, columns[0] : columns[-1] + 1]
    rings, places = np.nonzero((part >= low[1]) & (part <= high[1]))
    return rings * len(across) + columns[0] + places
