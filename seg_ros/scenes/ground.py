"""Road and pavement: one texture that repeats along the street, seen in perspective scanline by scanline."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from seg_ros.scenes.camera import View
from seg_ros.scenes.noise import grain, smooth_noise, textured
from seg_ros.scenes.plan import CROSSING_AT, PERIOD, Plan
from seg_ros.scenes.weather import Weather

_ROAD, _PAVEMENT = 3, 4
_PER_METRE = 16
_BANDS = (9.0, 20.0)  # m; further away the next halving of the texture is read, against shimmer


class Ground:
    """The ground of one street."""

    def __init__(self, rng: np.random.Generator, plan: Plan, weather: Weather) -> None:
        self._left = -plan.line[0] - 3.0
        self._horizon = weather.horizon
        self._haze = weather.haze
        self._edges = self._column(-plan.road[0]), self._column(plan.road[1])
        length, width = int(PERIOD * _PER_METRE), int((plan.line[0] + plan.line[1] + 6.0) * _PER_METRE)
        self._texture = self._paint(rng, plan, (length, width))
        self._shade(rng, weather)
        self._numbers = np.full(256, _PAVEMENT, np.uint8)
        self._numbers[255] = _ROAD
        self._levels = [self._texture]
        for _ in _BANDS:
            last = self._levels[-1]
            self._levels.append(
                cv2.resize(last, (last.shape[1] // 2, last.shape[0] // 2), interpolation=cv2.INTER_AREA)
            )

    def _column(self, x: float) -> int:
        return round((x - self._left) * _PER_METRE)

    def _paint(self, rng: np.random.Generator, plan: Plan, shape: tuple[int, int]) -> np.ndarray:
        rough = grain(rng, shape, rng.uniform(0.06, 0.16))
        worn = 0.22 * (smooth_noise(rng, shape, (90, 24), wrap=True) - 0.5)
        worn += 0.16 * (smooth_noise(rng, shape, (14, 14), wrap=True) - 0.5)
        grey = rng.uniform(72, 140)
        road = textured(np.asarray((grey, grey, grey)) * rng.uniform(0.94, 1.06, 3), rough, worn)
        for _ in range(rng.integers(2, 7)):  # patches and manholes
            x, y = rng.integers(shape[1]), rng.integers(40, shape[0] - 60)
            size, gain = rng.integers(14, 46, 2), rng.uniform(0.75, 1.12)
            part = road[y : y + size[1], x : x + size[0], :3]
            part[:] = np.clip(part * gain, 0, 255)
        self._mark(rng, plan, road)
        base = rng.uniform(100, 175) * np.asarray((1.0, rng.uniform(0.9, 1.0), rng.uniform(0.78, 1.0)))
        tile = rng.integers(8, 20)
        joints = np.zeros(shape, np.float32)
        joints[:: tile * rng.integers(1, 3)] = -0.28
        joints[:, ::tile] = -0.28
        stones = rng.uniform(0.08, 0.22) * (
            cv2.resize(
                rng.random((-(-shape[0] // tile), -(-shape[1] // tile)), dtype=np.float32),
                (shape[1], shape[0]),
                interpolation=cv2.INTER_NEAREST,
            )
            - 0.5
        )
        pavement = textured(base, rough * 0.7, worn * 0.6, joints, stones)
        a, b = self._edges
        pavement[:, a:b] = road[:, a:b]
        pavement[..., 3] = _PAVEMENT
        pavement[:, a:b, 3] = _ROAD
        kerb = np.clip(base * rng.uniform(1.05, 1.3), 0, 235)
        for start, gutter in ((a - 4, a), (b, b - 3)):
            pavement[:, start : start + 4, :3] = kerb
            pavement[::16, start : start + 4, :3] = kerb * 0.6
            gap = pavement[:, gutter : gutter + 3, :3]
            gap[:] = gap * 0.6
        return pavement

    def _mark(self, rng: np.random.Generator, plan: Plan, road: np.ndarray) -> None:
        paint = np.asarray((225, 225, 215)) * rng.uniform(0.8, 1.0)
        wear = rng.random(road.shape[:2], dtype=np.float32) < rng.uniform(0.75, 0.98)

        def line(x: float, start: float, end: float, half: float = 0.08) -> None:
            rows = slice(int(start * _PER_METRE), int(end * _PER_METRE))
            columns = slice(self._column(x - half), self._column(x + half) + 1)
            road[rows, columns, :3][wear[rows, columns]] = paint

        solid = rng.random() < 0.35
        for x in plan.marks:
            for start in np.arange(0.0, PERIOD, 6.0):
                line(x, start, start + (6.0 if solid and x == 0 else 3.0))
        if plan.edge_lines:
            line(-plan.road[0] + 0.35, 0, PERIOD)
            line(plan.road[1] - 0.35, 0, PERIOD)
        if plan.crossing:
            for x in np.arange(-plan.road[0] + 0.6, plan.road[1] - 0.4, 1.0):
                line(x, CROSSING_AT - 1.5, CROSSING_AT + 1.5, 0.25)

    def _shade(self, rng: np.random.Generator, weather: Weather) -> None:
        """Paints the fallen shade of trees and houses: baked, so it costs nothing per frame."""
        shape = self._texture.shape[:2]
        dapple = smooth_noise(rng, shape, (36, 30), wrap=True)
        light = 1 - 0.6 * weather.shadow * np.clip((dapple - 0.55) * 6, 0, 1)
        across = np.linspace(-1, 1, shape[1], dtype=np.float32)[None]
        dark_right = weather.side_gain[1] < weather.side_gain[0]
        side = across if dark_right else -across
        light = light * (1 - 0.6 * weather.shadow * np.clip((side - rng.uniform(0.1, 0.6)) * 8, 0, 1))
        for i in range(3):
            self._texture[..., i] = self._texture[..., i] * light

    def classes(self, view: View, columns: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Returns the class ids `(N,) uint8` at image columns `(N,)`, px, and distances `(N,)`, m."""
        across = columns - (view.size[1] / 2 - 0.5)
        x = z * (across / view.focal - 0.5 * view.bend * z - view.yaw) + view.x
        place = (x - self._left) * _PER_METRE + 0.5
        return np.where((place >= self._edges[0]) & (place <= self._edges[1]), _ROAD, _PAVEMENT).astype(np.uint8)

    def paint(self, pixels: np.ndarray, view: View) -> None:
        """Paints colour and paint number of all rows of `pixels` `(H, W, 4) uint8` below the horizon."""
        height, width = pixels.shape[:2]
        first = int(view.horizon) + 1
        z = view.focal * view.height / (np.arange(first, height, dtype=np.float32) - np.float32(view.horizon))
        columns = np.arange(width, dtype=np.float32) - np.float32(width / 2 - 0.5)
        step = z * np.float32(_PER_METRE / view.focal)
        start = (z * -(0.5 * view.bend * z + view.yaw) + (view.x - self._left)) * np.float32(_PER_METRE)
        rows = np.mod(z + np.float32(view.s % PERIOD), np.float32(PERIOD)) * np.float32(_PER_METRE)
        ends = [height - first, *(int(np.searchsorted(-z, -limit)) for limit in _BANDS), 0]
        for level, (end, begin) in enumerate(itertools.pairwise(ends)):
            if end <= begin:
                continue
            scale = np.float32(1 / (1 << level))
            part = pixels[first + begin : first + end]
            map_x = (step[begin:end, None] * columns + start[begin:end, None]) * scale
            map_y = np.repeat(rows[begin:end, None] * scale, width, 1)
            cv2.remap(self._levels[level], map_x, map_y, cv2.INTER_LINEAR, part, cv2.BORDER_REPLICATE)
            # kerbs are straight in x: the class follows from the column alone, exactly, without interpolation
            a, b = ((edge - 0.5) * float(scale) for edge in self._edges)
            cv2.insertChannel(cv2.LUT(cv2.inRange(map_x, a, b), self._numbers), part, 3)
        far = ends[1]
        if far > 0:
            # counted from the band's near end, where it so begins without a step
            fade = (1 - np.exp(-self._haze * (z[:far] - _BANDS[0])))[:, None, None]
            part = pixels[first : first + far, :, :3]
            part[:] = part * (1 - fade) + self._horizon * fade
