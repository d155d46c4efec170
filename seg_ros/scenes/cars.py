"""Cars as small solid models: a body and a cabin, lit by face, with windows, wheels, lights and plates."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from seg_ros.scenes.camera import NEAR, View, cut_near
from seg_ros.scenes.canvas import Canvas
from seg_ros.scenes.weather import Weather


@dataclasses.dataclass(frozen=True)
class Shape:
    """A car's outline, m: z runs from its rear (0) to its front (`length`), y up.

    Attributes:
        cabin: (z, y) of the cabin: rear base, rear top, front top, front base.
        deck: heights of the body at its rear and at its nose.
    """

    length: float
    width: float
    cabin: tuple[tuple[float, float], ...]
    deck: tuple[float, float]


SHAPES = (
    Shape(4.5, 1.8, ((0.55, 0.96), (1.25, 1.44), (2.6, 1.46), (3.35, 0.96)), (0.94, 0.74)),  # saloon
    Shape(3.9, 1.7, ((0.04, 0.94), (0.45, 1.48), (2.2, 1.50), (2.95, 0.96)), (0.92, 0.74)),  # hatchback
    Shape(4.6, 1.9, ((0.04, 1.08), (0.35, 1.70), (2.7, 1.72), (3.40, 1.08)), (1.06, 0.90)),  # tall estate
    Shape(5.0, 2.0, ((0.02, 1.10), (0.06, 2.10), (3.6, 2.12), (4.40, 1.14)), (1.10, 0.95)),  # van
)
_SILL = 0.3
# what a face is made of; body colours are shaded by where the face looks
_END, _SIDE, _TOP, _LOW, _GLASS, _PANE, _TYRE, _RIM, _TAIL, _HEAD, _PLATE, _DARK = range(12)


@functools.cache
def _faces(shape: int, away: bool, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns corner points `(N, 3)`, where each face starts, and what it is made of, in painting order.

    The car's near end lies at z = 0. `away`: it drives away from the camera, so that end is its rear.
    `side`: -1 if its left flank is seen, 1 if the right, 0 if none.
    """
    car = SHAPES[shape]
    half, tall = car.width / 2, car.cabin[1][1]
    inner = half * 0.84
    cabin = car.cabin if away else tuple((car.length - z, y) for z, y in car.cabin[::-1])
    near, far = car.deck if away else car.deck[::-1]
    (z0, y0), (z1, y1), (z2, y2), (z3, y3) = cabin
    end = car.length
    faces: list[tuple[int, list]] = []

    def across(kind: int, a: tuple, b: tuple, wide: float, wide_b: float) -> None:
        """Returns a face across the car from (z, y) = a to b."""
        faces.append((kind, [(-wide, a[1], a[0]), (wide, a[1], a[0]), (wide_b, b[1], b[0]), (-wide_b, b[1], b[0])]))

    def box(kind: int, x0: float, x1: float, low: float, high: float) -> None:
        """Returns a rectangle on the near end."""
        faces.append((kind, [(x0, high, 0), (x1, high, 0), (x1, low, 0), (x0, low, 0)]))

    across(_DARK, (end * 0.9, 0.1), (end * 0.9, 0.5), half * 0.9, half * 0.9)
    across(_TOP, (z1, y1), (z2, y2), inner, inner)
    across(_END, (z0, y0), (z1, y1), half, inner)
    a, b = 0.14, 0.86
    lower = z0 + (z1 - z0) * a, y0 + (y1 - y0) * a
    upper = z0 + (z1 - z0) * b, y0 + (y1 - y0) * b
    across(_GLASS, lower, upper, half * 0.86, inner * 0.85)
    across(_TOP, (0.0, near), (z0, y0), half, half)
    for x in (-half * 0.92, half * 0.66):
        box(_TYRE, x, x + half * 0.26, 0.0, 0.45)
    box(_DARK, -half * 0.9, half * 0.9, 0.18, _SILL + 0.05)
    box(_END, -half, half, _SILL - 0.04, near)
    box(_LOW, -half, half, _SILL - 0.08, 0.52)
    lamp = _TAIL if away else _HEAD
    for x in (-half * 0.97, half * 0.63):
        box(lamp, x, x + half * 0.34, near - 0.26, near - 0.08)
    if not away:
        box(_DARK, -half * 0.5, half * 0.5, near - 0.26, near - 0.1)
    box(_PLATE, -0.26, 0.26, 0.55 if away else 0.42, 0.67 if away else 0.54)
    if side:
        x, xi = side * half, side * inner
        faces.append((_SIDE, [(x, y0, z0), (xi, y1, z1), (xi, y2, z2), (x, y3, z3)]))
        bar = (z1 + z2) / 2
        base = (y0 + y3) / 2 + 0.05
        top = tall - 0.09
        pane = x + (xi - x) * 0.9
        rear_z, front_z = z0 + (z1 - z0) * 0.5 + 0.08, z3 + (z2 - z3) * 0.5 - 0.08
        faces.append(
            (
                _PANE,
                [
                    (x, base, rear_z - 0.12),
                    (pane, top, z1 + 0.1),
                    (pane, top, bar - 0.05),
                    (x, base, bar - 0.05),
                ],
            )
        )
        faces.append(
            (
                _PANE,
                [
                    (x, base, bar + 0.05),
                    (pane, top, bar + 0.05),
                    (pane, top, z2 - 0.1),
                    (x, base, front_z + 0.12),
                ],
            )
        )
        lower = [(x, _SILL, 0), (x, near, 0), (x, y0, z0), (x, y3, z3), (x, far, end), (x, _SILL, end)]
        faces.append((_SIDE, lower))
        faces.append((_LOW, [(x, _SILL - 0.06, 0), (x, 0.5, 0), (x, 0.5, end), (x, _SILL - 0.06, end)]))
        turn = np.arange(12) * 2 * np.pi / 12
        for wheel in (0.8, end - 0.85):
            for kind, radius in ((_DARK, 0.38), (_TYRE, 0.33), (_RIM, 0.2)):
                ring = [(x, 0.33 + radius * np.sin(t), wheel + radius * np.cos(t)) for t in turn]
                faces.append((kind, ring))
    points = np.concatenate([np.asarray(p, np.float64) for _, p in faces])
    starts = np.cumsum([0, *(len(p) for _, p in faces)])
    return points, starts, np.asarray([k for k, _ in faces])


def paint_car(
    canvas: Canvas,
    view: View,
    weather: Weather,
    number: int,
    shape: int,
    x: float,
    z: float,
    away: bool,
    color: np.ndarray,
) -> None:
    """Paints a car of body colour `color` (3,) whose near end's middle stands at (x, z)."""
    car = SHAPES[shape]
    seen = x - view.x
    side = 0 if abs(seen) < car.width / 2 else int(-np.sign(seen))
    points, starts, kinds = _faces(shape, away, side)
    points = points + np.float64((x, 0.0, z))
    places = view.project(points)
    # the flank that is seen looks away from the houses on its own side
    flank = weather.side_gain[0 if side > 0 else 1]
    sky = weather.horizon * 0.35
    paints = {
        _END: color * weather.front_gain,
        _SIDE: color * flank,
        _TOP: np.clip(color * 1.15 + 14, 0, 255),
        _LOW: color * 0.62,
        _GLASS: sky * 0.8,
        _PANE: sky * 0.55,
        _TYRE: np.full(3, 24.0),
        _RIM: np.full(3, 140.0),
        _TAIL: np.asarray((190.0, 24.0, 28.0)),
        _HEAD: np.asarray((246.0, 244.0, 226.0)),
        _PLATE: np.asarray((222.0, 218.0, 196.0)),
        _DARK: np.full(3, 26.0),
    }
    fade = weather.fade(z)
    for kind, start, end in zip(kinds.tolist(), starts[:-1], starts[1:], strict=True):
        seen_part = places[start:end]
        if z < NEAR:  # the car is being passed: cut off what lies beside or behind the camera
            kept = cut_near(points[start:end])
            if len(kept) < 3:
                continue
            seen_part = view.project(kept)
        canvas.polygon(seen_part, np.minimum(paints[kind], 255), number, fade)
