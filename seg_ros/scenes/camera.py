"""The camera behind the windscreen: where a point of the street falls in the image."""

from __future__ import annotations

import dataclasses

import numpy as np

NEAR = 1.0
"""Points nearer than this (m) are moved to this distance: nothing is projected from behind the camera."""


def cut_near(points: np.ndarray) -> np.ndarray:
    """Returns the part of the convex polygon `(N, 3)`, m, at least `NEAR` away: `(M, 3)`, empty if there is none."""
    kept = []
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    return np.asarray(kept)


@dataclasses.dataclass(frozen=True)
class View:
    """The camera at one moment.

    Street coordinates are metres: x to the right of the road's middle, y up from the ground, z ahead of
    the camera. The road bends as a parabola, so verticals stay vertical and every scanline of the ground
    has one distance.

    Attributes:
        size: image `(H, W)`, px.
        focal: focal length, px.
        horizon: row of the horizon, px.
        height: of the camera above the ground, m.
        x: of the camera, m.
        s: distance driven, m.
        bend: curvature of the road ahead, 1/m.
        yaw: heading against the road, rad.
    """

    size: tuple[int, int]
    focal: float
    horizon: float
    height: float
    x: float
    s: float
    bend: float
    yaw: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns where street points `(N, 3)`, m, are seen: u and v, px, and 1 / distance, 1/m, `(N, 3) float32`."""
        z = np.maximum(points[:, 2], NEAR)
        out = np.empty((len(points), 3), np.float32)
        out[:, 0] = self.focal * ((points[:, 0] - self.x) / z + 0.5 * self.bend * z + self.yaw)
        out[:, 0] += self.size[1] / 2
        out[:, 1] = self.horizon + self.focal * (self.height - points[:, 1]) / z
        out[:, 2] = 1 / z
        return out

    def column(self, x: float, z: float) -> float:
        """Returns the image column, px, of what stands at (x, z)."""
        z = max(z, NEAR)
        return self.size[1] / 2 + self.focal * ((x - self.x) / z + 0.5 * self.bend * z + self.yaw)

    def row(self, y: float, z: float) -> float:
        """Returns the image row, px, of height y at distance z."""
        return self.horizon + self.focal * (self.height - y) / max(z, NEAR)


@dataclasses.dataclass(frozen=True)
class Drive:
    """How one seed's camera is built and driven: the view at any time, in closed form."""

    size: tuple[int, int]
    focal: float
    horizon: float
    height: float
    lane: float
    speed: float
    phases: np.ndarray
    bend: float

    @classmethod
    def random(cls, rng: np.random.Generator, size: tuple[int, int], lane: float) -> Drive:
        """Makes a random camera for images of `size` `(H, W)`, driven along x = `lane` (m)."""
        return cls(
            size=size,
            focal=size[0] * rng.uniform(0.95, 1.3),
            horizon=size[0] * rng.uniform(0.40, 0.50),
            height=rng.uniform(1.3, 1.8),
            lane=lane,
            speed=rng.uniform(8.0, 10.0),
            phases=rng.uniform(0, 2 * np.pi, 5),
            bend=rng.uniform(-1, 1) / 200,
        )

    def travelled(self, t: float) -> float:
        """Returns the distance driven, m, at time t, s: never backwards."""
        return self.speed * t + 3.0 * float(np.sin(0.35 * t + self.phases[0]))

    def view(self, t: float) -> View:
        """Returns the camera at time t, s."""
        p, s = self.phases, self.travelled(t)
        sway = float(np.sin(0.45 * t + p[1]))
        return View(
            size=self.size,
            focal=self.focal,
            horizon=self.horizon + 0.003 * self.size[0] * float(np.sin(4.1 * t + p[2])),
            height=self.height,
            x=self.lane + 0.3 * sway,
            s=s,
            bend=self.bend * float(np.sin(s / 60 + p[3])),
            yaw=0.02 * float(np.sin(0.6 * t + p[4])),
        )
