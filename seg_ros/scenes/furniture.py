"""What stands along the kerb: trees and sign boards as sprites, lamp posts and sign posts as polygons."""

from __future__ import annotations

import cv2
import numpy as np

from seg_ros.scenes.camera import View
from seg_ros.scenes.canvas import Canvas, Pyramid, pyramid
from seg_ros.scenes.noise import grain, smooth_noise
from seg_ros.scenes.weather import Weather

_POLE, _SIGN = 2, 6
_LEAVES = ((62, 92, 44), (84, 112, 48), (48, 78, 50), (112, 116, 52), (150, 112, 50), (96, 88, 60))


def make_tree(rng: np.random.Generator) -> Pyramid:
    """Draws a tree, sprite `(200, 140, 4)`: a trunk with branches under a crown of lit clumps of leaves."""
    h, w = 200, 140
    image = np.zeros((h, w, 4), np.uint8)
    trunk = np.asarray((94, 74, 58)) * rng.uniform(0.6, 1.3)
    thick, fork = int(rng.integers(5, 9)), int(rng.integers(120, 140))
    foot = np.asarray(((70 - thick, h), (70 + thick, h), (70 + thick * 0.6, fork), (70 - thick * 0.6, fork)))
    cv2.fillConvexPoly(image, foot.astype(np.int32), (*trunk.tolist(), 255))
    for x in (40, 70, 100):
        cv2.line(image, (70, fork + 6), (x, 80), (*(trunk * 0.8).tolist(), 255), thick)
    leaf = np.asarray(_LEAVES[rng.integers(len(_LEAVES))]) * rng.uniform(0.75, 1.25)
    conical = rng.random() < 0.25
    for k in range(110):  # from the dark inside to the lit outside
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
        x, y = 70 + 48 * reach * np.cos(angle), 70 + 52 * reach * np.sin(angle)
        if conical:
            x = 70 + (x - 70) * np.clip((y + 10) / 110, 0.1, 1)
        lit = 0.55 + 0.45 * k / 110 + 0.25 * (70 - y) / 60 + rng.uniform(-0.12, 0.12)
        color = np.clip(leaf * lit, 0, 255).tolist()
        cv2.circle(image, (int(x), int(y)), int(rng.integers(6, 15)), (*color, 255), -1)
    outside = image[..., 3] == 0
    color = image[..., :3].astype(np.float32)
    fleck = 1 + grain(rng, (h, w), 0.25) + 0.7 * (smooth_noise(rng, (h, w), (5, 5)) - 0.5)
    color *= fleck[..., None]
    color[outside] = leaf * 0.7
    image[..., :3] = np.clip(color, 0, 255)
    return pyramid(image, 4)


def make_signs(rng: np.random.Generator) -> list[tuple[Pyramid, float, float]]:
    """Draws the sign boards of a street: (sprite, width m, height m)."""
    white, red = np.asarray((236, 236, 232)), np.asarray((196, 30, 36))
    blue, green = np.asarray((28, 74, 168)), np.asarray((24, 112, 74))
    c = 32

    def ink(color: np.ndarray) -> tuple[float, ...]:
        return (*color.tolist(), 255)

    def fan(n: int, radius: float, turn: float) -> np.ndarray:
        a = np.arange(n) * 2 * np.pi / n + turn
        return np.rint(np.stack((c + radius * np.cos(a), c + radius * np.sin(a)), 1)).astype(np.int32)

    def blank(w: int = 64, h: int = 64) -> np.ndarray:
        return np.zeros((h, w, 4), np.uint8)

    boards = []
    limit = blank()
    cv2.circle(limit, (c, c), 31, ink(red), -1)
    cv2.circle(limit, (c, c), 22, ink(white), -1)
    cv2.putText(limit, str(rng.choice((30, 40, 50))), (14, 41), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20, 255), 3)
    boards.append((limit, 0.9, 0.9))
    stop = blank()
    cv2.fillConvexPoly(stop, fan(8, 32, np.pi / 8), ink(white))
    cv2.fillConvexPoly(stop, fan(8, 28, np.pi / 8), ink(red))
    cv2.rectangle(stop, (12, 26), (52, 38), ink(white), -1)
    boards.append((stop, 0.9, 0.9))
    warning = blank()
    cv2.fillConvexPoly(warning, np.int32(((32, 2), (63, 60), (1, 60))), ink(red))
    cv2.fillConvexPoly(warning, np.int32(((32, 17), (51, 53), (13, 53))), ink(white))
    cv2.line(warning, (32, 30), (32, 46), (20, 20, 20, 255), 5)
    boards.append((warning, 1.05, 1.05))
    turn = blank()
    cv2.circle(turn, (c, c), 31, ink(blue), -1)
    cv2.arrowedLine(turn, (14, 32), (50, 32), ink(white), 7, tipLength=0.5)
    boards.append((turn, 0.9, 0.9))
    way = blank(128, 64)
    way[:] = ink(white)
    way[4:-4, 4:-4] = ink((blue, green, np.asarray((222, 180, 40)))[rng.integers(3)])
    for y in (18, 38):
        cv2.line(way, (14, y + 4), (int(rng.integers(60, 86)), y + 4), ink(white), 6)
    cv2.arrowedLine(way, (96, 50), (96, 14), ink(white), 7, tipLength=0.5)
    boards.append((way, 2.0, 1.1))
    light = blank(40, 96)
    light[:] = (24, 26, 26, 255)
    lit = rng.integers(3)
    for k, color in enumerate(((230, 40, 30), (240, 180, 40), (60, 220, 110))):
        bright = np.asarray(color) * (1.0 if k == lit else 0.3)
        cv2.circle(light, (20, 17 + 31 * k), 12, ink(bright), -1)
    boards.append((light, 0.45, 1.1))
    for board, _, _ in boards:
        board[..., :3][board[..., 3] == 0] = 128
    return [(pyramid(b, 4), w, h) for b, w, h in boards]


def _post(
    canvas: Canvas, view: View, x: float, z: float, top: float, width: float, color: np.ndarray, fade: float
) -> None:
    """Paints an upright post, one half lit. Never thinner than what a camera of this size would show."""
    half = max(width * view.focal / z, 4.2 * max(view.size[0] / 480, 0.5)) / 2
    u, a, b = view.column(x, z), view.row(top, z), view.row(0, z)
    d = 1 / z
    canvas.polygon(np.float32(((u - half, a, d), (u, a, d), (u, b, d), (u - half, b, d))), color * 1.15, _POLE, fade)
    canvas.polygon(np.float32(((u, a, d), (u + half, a, d), (u + half, b, d), (u, b, d))), color * 0.75, _POLE, fade)


def paint_lamp(
    canvas: Canvas, view: View, weather: Weather, x: float, z: float, color: np.ndarray, tall: float
) -> None:
    """Paints a lamp post at (x, z), `tall` metres high, its arm over the road."""
    fade = weather.fade(z)
    reach = -np.sign(x) * 1.8
    thick = max(0.14, 3.2 * z / view.focal * max(view.size[0] / 480, 0.5))
    arm = view.project(
        np.float64(
            (
                (x, tall, z),
                (x + reach, tall + 0.35, z),
                (x + reach, tall + 0.35 - thick, z),
                (x, tall - thick, z),
            )
        )
    )
    head = view.project(
        np.float64([(x + reach * k, tall + dy, z) for k, dy in ((0.7, 0.5), (1.25, 0.5), (1.2, 0.1), (0.75, 0.1))])
    )
    canvas.polygon(arm, color, _POLE, fade)
    canvas.polygon(head, color * 0.9, _POLE, fade)
    _post(canvas, view, x, z, tall, 0.2, color, fade)
    _post(canvas, view, x, z, 0.9, 0.32, color, fade)


def paint_sign(
    canvas: Canvas,
    view: View,
    weather: Weather,
    x: float,
    z: float,
    board: tuple[Pyramid, float, float],
    color: np.ndarray,
    low: float,
    mirrored: bool,
) -> None:
    """Paints a sign board whose lower edge is `low` m high, on its post at (x, z); `mirrored` turns it over."""
    sprite, w, h = board
    fade, scale = weather.fade(z), view.focal / z
    _post(canvas, view, x, z, low + h * 0.5, 0.13, color, fade)
    u, v = view.column(x, z), view.row(low, z)
    rect = (u - w * scale / 2, v - h * scale, u + w * scale / 2, v)
    canvas.sprite(sprite, rect, z, _SIGN, weather.front_gain, fade, mirrored)
