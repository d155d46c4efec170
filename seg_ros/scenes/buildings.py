"""The street front: houses with textured faces and roofs, gardens with trees, fences along the pavement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seg_ros.scenes.camera import NEAR, View
from seg_ros.scenes.canvas import Canvas, Pyramid, pyramid
from seg_ros.scenes.noise import grain, smooth_noise, textured
from seg_ros.scenes.plan import Plan
from seg_ros.scenes.weather import Weather

_BUILDING, _TREE, _FENCE = 1, 5, 7
_FAR = 90.0
_FENCE_FAR = 45.0
_PER_METRE = 14
_FLOOR = 3.0
_FLOORS = 6
_WALLS = ((168, 92, 72), (205, 190, 160), (150, 150, 150), (190, 160, 120), (120, 88, 68), (215, 212, 205),
          (140, 152, 165), (196, 150, 110), (105, 112, 100))  # fmt: skip


def make_facade(rng: np.random.Generator) -> Pyramid:
    """Makes a house front, 12 m wide and 6 floors of 3 m high, the ground floor at the bottom."""
    shape = int(_FLOOR * _FLOORS * _PER_METRE), 12 * _PER_METRE
    base = np.asarray(_WALLS[rng.integers(len(_WALLS))]) * rng.uniform(0.75, 1.1) + rng.normal(0, 8, 3)
    bricks = np.zeros(shape, np.float32)
    if rng.random() < 0.6:
        bricks[::4] = -0.16
        bricks[:, :: rng.integers(6, 10)] -= 0.06
    wall = textured(base, grain(rng, shape, 0.08), 0.25 * (smooth_noise(rng, shape, (40, 30)) - 0.5), bricks)
    floor = int(_FLOOR * _PER_METRE)
    columns = rng.integers(3, 6)
    pitch = shape[1] / columns
    half = pitch * rng.uniform(0.22, 0.36)
    top, bottom = int(floor * rng.uniform(0.12, 0.25)), int(floor * rng.uniform(0.72, 0.85))
    frame = np.clip(base * rng.choice((0.5, 1.35)), 0, 240)
    band = rng.random() < 0.6
    for level in range(_FLOORS):
        y = shape[0] - (level + 1) * floor
        if band:
            wall[y : y + 3, :, :3] = frame
        if level == 0:
            _ground_floor(rng, wall[y : y + floor], base)
            continue
        for k in range(columns):
            middle = (k + 0.5) * pitch
            a, b = int(middle - half), int(middle + half)
            wall[y + top - 2 : y + bottom + 2, a - 2 : b + 2, :3] = frame
            wall[y + top : y + bottom, a:b, :3] = _glass(rng, bottom - top)
            wall[y + top : y + bottom, (a + b) // 2, :3] = frame
            wall[y + bottom + 1 : y + bottom + 4, a - 3 : b + 3, :3] = frame * 0.7
    return pyramid(wall, 4)


def _glass(rng: np.random.Generator, rows: int) -> np.ndarray:
    if rng.random() < 0.12:  # a lit or curtained window
        return np.full((rows, 1, 3), (225, 205, 150), np.float32) * rng.uniform(0.7, 1.0)
    glow = np.linspace(rng.uniform(0.9, 1.8), 0.6, rows, dtype=np.float32)[:, None, None]
    return np.clip(glow * np.float32((62, 74, 88)) * rng.uniform(0.6, 1.1), 0, 255)


def _ground_floor(rng: np.random.Generator, wall: np.ndarray, base: np.ndarray) -> None:
    rows, columns = wall.shape[:2]
    if rng.random() < 0.5:  # a shop: wide panes under a coloured board
        wall[3:11, 4:-4, :3] = rng.uniform(30, 200, 3)
        for a in range(6, columns - 30, 40):
            wall[13:-6, a : a + 34, :3] = _glass(rng, rows - 19)
    else:
        for a in range(10, columns - 24, 42):
            wall[10:-14, a : a + 20, :3] = _glass(rng, rows - 24)
    door = int(rng.integers(4, columns - 24))
    wall[10:, door : door + 16, :3] = rng.uniform(25, 130, 3)
    wall[12:-2, door + 2 : door + 14, :3] = rng.uniform(35, 150, 3)
    wall[-3:, :, :3] = base * 0.45


def make_fence(rng: np.random.Generator) -> Pyramid:
    """Makes a fence panel, 6 m wide and as high as the fence: boards, pickets or railings."""
    rows, columns = 40, 240
    color = np.asarray(((228, 224, 214), (134, 96, 62), (64, 68, 72), (60, 96, 70), (156, 132, 104))[rng.integers(5)])
    board = int(rng.choice((8, 10, 15)))
    gap = max(board * (rng.random() < 0.75) * 4 // 10, 1)
    along = np.arange(columns)
    tone = np.repeat(rng.uniform(-0.12, 0.12, columns // board + 1), board)[:columns].astype(np.float32)
    rib = 0.12 * np.sin(along * (2 * np.pi / board)).astype(np.float32)
    panel = textured(color, grain(rng, (rows, columns), 0.08), np.broadcast_to(tone + rib, (rows, columns)))
    panel[:, along % board < gap, :3] = color * 0.3 + 8
    for row in (6, 28):
        panel[row : row + 5, :, :3] = color * 0.82
        panel[row + 5, :, :3] = color * 0.45
    panel[:2, :, :3] = np.clip(color * 1.15, 0, 255)
    return pyramid(panel, 4)


class Fronts:
    """Both rows of houses of one street, repeated in slots whose content follows from seed and slot."""

    def __init__(
        self,
        rng: np.random.Generator,
        plan: Plan,
        weather: Weather,
        trees: list[Pyramid],
        draw: Callable[[int, int], np.ndarray],
    ) -> None:
        """Makes the houses; `draw(kind, slot)` gives random numbers `(12,)` in 0..1 that never change for a slot."""
        self._plan, self._weather, self._trees, self._draw = plan, weather, trees, draw
        self._facades = [make_facade(rng) for _ in range(5)]
        self._fences = [make_fence(rng) for _ in range(2)]
        self._roofs = [np.asarray(c) * rng.uniform(0.7, 1.1) for c in ((150, 78, 60), (92, 92, 100), (112, 84, 66))]
        self._length = rng.uniform(10, 14)
        self._low = rng.uniform(1.5, 3.0)
        self._high = self._low + rng.uniform(0.5, 3.0)
        self._garden = rng.uniform(0.15, 0.45)
        self._fenced = rng.uniform(0.5, 0.8)

    def paint(self, canvas: Canvas, view: View) -> None:
        """Paints both rows, from far to near."""
        first = int(np.floor((view.s + NEAR) / self._length))
        last = int((view.s + _FAR) / self._length)
        for slot in range(last, first - 1, -1):
            z0 = slot * self._length - view.s
            for side in (0, 1):
                self._slot(canvas, view, side, z0, self._draw(side, slot))

    def _slot(self, canvas: Canvas, view: View, side: int, z0: float, r: np.ndarray) -> None:
        sign = 1 if side else -1
        line = sign * self._plan.line[side]
        z1 = z0 + self._length
        garden = r[0] < self._garden
        if garden:
            self._hedge(canvas, view, line + sign * 5.0, z0, z1, r)
        else:
            self._house(canvas, view, sign, line + sign * (0.4 + 1.6 * r[1]), z0, z1, r)
        if z0 < _FENCE_FAR and (garden or r[2] < self._fenced):
            self._fence(canvas, view, side, line, z0, z1, 1.15 + 0.7 * r[3])

    def _house(self, canvas: Canvas, view: View, sign: int, x: float, z0: float, z1: float, r: np.ndarray) -> None:
        floors = int(np.clip(self._low + (self._high - self._low) * r[4] + 0.5, 2, _FLOORS))
        top = floors * _FLOOR
        facade = self._facades[int(r[5] * len(self._facades))]
        near, back = max(z0, NEAR), x + sign * 9.0
        weather = self._weather
        side_gain, front_gain = weather.side_gain[sign > 0], weather.front_gain
        fade_near, fade = weather.fade(near), weather.fade((near + min(z1, _FAR)) / 2)
        crop_top = 1 - floors / _FLOORS
        start = (near - z0) / (z1 - z0)
        eaves, ridge = x - sign * 0.25, x + sign * 4
        corners = (
            (x, top, near), (x, top, z1), (x, 0, z1), (x, 0, near), (back, top, near), (back, 0, near),
            (ridge, top + 2.6, near), (ridge, top + 2.6, z1),
            (eaves, top + 0.35, near), (eaves, top + 0.35, z1),
            (eaves, top - 0.2, z1), (eaves, top - 0.2, near),
        )  # fmt: skip
        points = view.project(np.float64(corners))
        roof = self._roofs[int(r[6] * len(self._roofs))]
        pitched = floors <= 3 and r[7] < 0.8
        if pitched:
            canvas.polygon(points[[0, 1, 7, 6]], roof * side_gain, _BUILDING, fade)
        if z0 > NEAR:
            if pitched:
                canvas.polygon(points[[0, 6, 4]], roof * front_gain * 0.8, _BUILDING, fade_near)
            crop = (0.0, crop_top, 0.75, 1.0)
            canvas.quad(facade, points[[0, 4, 5, 3]], _BUILDING, front_gain * 0.9, fade_near, crop)
        canvas.quad(facade, points[[0, 1, 2, 3]], _BUILDING, side_gain, fade, (start, crop_top, 1.0, 1.0))
        canvas.polygon(points[[8, 9, 10, 11]], roof * side_gain * 0.75, _BUILDING, fade)

    def _hedge(self, canvas: Canvas, view: View, x: float, z0: float, z1: float, r: np.ndarray) -> None:
        """Paints trees behind the fence, far to near; close enough together to hide what lies behind."""
        for k in (2, 1, 0):
            z = z0 + (k + 0.5) * (z1 - z0) / 3
            if z < 3.0:
                continue
            sprite = self._trees[int(r[8 + k] * len(self._trees))]
            tall = 5.0 + 3.5 * r[5 + k]
            u, foot, size = view.column(x, z), view.row(0, z), tall * view.focal / z
            half = size * sprite[0].shape[1] / sprite[0].shape[0] / 2
            fade = self._weather.fade(z)
            canvas.sprite(sprite, (u - half, foot - size, u + half, foot), z, _TREE, 0.9, fade, bool(k % 2))

    def _fence(self, canvas: Canvas, view: View, side: int, line: float, z0: float, z1: float, top: float) -> None:
        fence = self._fences[side]
        half = (z0 + z1) / 2
        for a, b in ((half, z1), (z0, half)):
            near = max(a, NEAR)
            if b <= near:
                continue
            points = view.project(np.float64(((line, top, near), (line, top, b), (line, 0, b), (line, 0, near))))
            start = (near - a) / (b - a)
            gain = self._weather.side_gain[side]
            canvas.quad(fence, points, _FENCE, gain, self._weather.fade((near + b) / 2), (start, 0.0, 1.0, 1.0))
