"""Pedestrians and bicyclists as sprites: drawn once per street, four steps of a stride each."""

from __future__ import annotations

import cv2
import numpy as np

from seg_ros.scenes.canvas import Pyramid, pyramid
from seg_ros.scenes.noise import grain, smooth_noise

STRIDE = 4
"""Sprites per walking or pedalling cycle."""
PERSON = (1.0, 2.0)
"""Width and height a pedestrian's sprite covers, m, for a person of 1.9 m."""
RIDER = (1.9, 2.0)
"""The same of a bicyclist's sprite."""
_SCALE = 80  # px/m
_SKIN = ((232, 190, 160), (205, 158, 122), (150, 104, 76), (96, 66, 50))
_HAIR = ((40, 30, 24), (96, 66, 40), (180, 150, 96), (130, 130, 130))


def _ink(color: np.ndarray) -> tuple[float, ...]:
    return (*np.clip(color, 0, 255).tolist(), 255)


def _limb(image: np.ndarray, points: tuple, width: float, color: np.ndarray) -> None:
    fixed = np.rint(np.asarray(points) * _SCALE).astype(np.int32)
    cv2.polylines(image, [fixed], False, _ink(color), max(round(width * _SCALE), 1))


def _blob(image: np.ndarray, center: tuple, axes: tuple, color: np.ndarray, start: int = 0, end: int = 360) -> None:
    middle = tuple(round(v * _SCALE) for v in center)
    cv2.ellipse(image, middle, tuple(round(v * _SCALE) for v in axes), 0, start, end, _ink(color), -1)


def _finish(rng: np.random.Generator, image: np.ndarray) -> Pyramid:
    """Adds light from one side, cloth texture, and colour beyond the outline so that edges stay clean."""
    h, w = image.shape[:2]
    outside = image[..., 3] == 0
    color = image[..., :3].astype(np.float32)
    light = np.linspace(1.15, 0.8, w, dtype=np.float32)[None] + grain(rng, (h, w), 0.1)
    light = light + 0.3 * (smooth_noise(rng, (h, w), (10, 8)) - 0.5)
    color *= light[..., None]
    color[outside] = color[~outside].mean(0)
    image[..., :3] = np.clip(color, 0, 255)
    return pyramid(image, 4)


def cloth(rng: np.random.Generator) -> np.ndarray:
    """Picks a cloth colour `(3,)`: dark, plain or bright."""
    kind = rng.random()
    if kind < 0.35:
        return rng.uniform(18, 75) * rng.uniform(0.8, 1.2, 3)
    if kind < 0.6:
        return rng.uniform(90, 220) * rng.uniform(0.9, 1.1, 3)
    return rng.uniform(25, 225, 3)


def make_pedestrian(rng: np.random.Generator) -> list[Pyramid]:
    """Draws the `STRIDE` sprites of one walking person, feet on the lower edge."""
    shirt, legs, bag = cloth(rng), cloth(rng) * 0.7, cloth(rng)
    skin, hair = (np.asarray(c[rng.integers(4)]) for c in (_SKIN, _HAIR))
    coat, carries, wide = rng.random() < 0.35, rng.random() < 0.4, rng.uniform(0.85, 1.15)
    out = []
    for step in range(STRIDE):
        swing = 0.2 * np.sin(2 * np.pi * (step + 0.5) / STRIDE)
        image = np.zeros((int(PERSON[1] * _SCALE), int(PERSON[0] * _SCALE), 4), np.uint8)
        c = 0.5
        arm = 0.2 * wide
        _limb(image, ((c - arm, 0.50), (c - arm - 0.05, 0.8), (c - arm - swing * 0.5, 1.08)), 0.12, shirt * 0.75)
        for foot, dark in ((-swing, 0.75), (swing, 1.0)):
            hip = c - 0.07 if foot < 0 else c + 0.07
            knee = (hip + foot * 0.6 + 0.03, 1.45)
            _limb(image, ((hip, 1.02), knee, (c + foot * 1.25, 1.9)), 0.17, legs * dark)
            _limb(image, ((c + foot * 1.25, 1.93), (c + foot * 1.25 + 0.09, 1.93)), 0.1, np.full(3, 30))
        low = 1.4 if coat else 1.08
        body = np.asarray(((-0.2, 0.42), (0.2, 0.42), (0.19, low), (-0.19, low))) * (wide, 1) + (c, 0)
        cv2.fillConvexPoly(image, np.rint(body * _SCALE).astype(np.int32), _ink(shirt))
        _limb(image, ((c + arm, 0.50), (c + arm + 0.05, 0.8), (c + arm + swing * 0.5, 1.08)), 0.12, shirt * 0.9)
        _blob(image, (c + arm + swing * 0.5, 1.11), (0.05, 0.06), skin)
        if carries:
            _blob(image, (c - 0.2, 0.75), (0.12, 0.22), bag)
        _limb(image, ((c, 0.32), (c, 0.44)), 0.12, skin * 0.85)
        _blob(image, (c, 0.23), (0.12, 0.15), skin)
        _blob(image, (c, 0.21), (0.135, 0.15), hair, 180, 360)
        out.append(_finish(rng, image))
    return out


def make_bicyclist(rng: np.random.Generator) -> list[Pyramid]:
    """Draws the `STRIDE` sprites of one rider on a bicycle, riding to the right, wheels on the lower edge."""
    shirt, legs, frame = cloth(rng), cloth(rng) * 0.7, cloth(rng)
    helmet, skin = rng.uniform(60, 240, 3), np.asarray(_SKIN[rng.integers(4)])
    rear, front, axle = 0.45, 1.42, 1.62
    out = []
    for step in range(STRIDE):
        angle = 2 * np.pi * (step + 0.5) / STRIDE
        image = np.zeros((int(RIDER[1] * _SCALE), int(RIDER[0] * _SCALE), 4), np.uint8)
        for x in (rear, front):  # a disc of spokes: solid in the truth, so solid in the picture
            _blob(image, (x, axle), (0.33, 0.37), np.full(3, 26))
            _blob(image, (x, axle), (0.26, 0.30), np.full(3, 96))
            for a in np.linspace(0, np.pi, 4, endpoint=False) + angle / 2:
                dx, dy = 0.25 * np.cos(a), 0.29 * np.sin(a)
                _limb(image, ((x - dx, axle - dy), (x + dx, axle + dy)), 0.015, np.full(3, 160))
        crank = (0.88, 1.62)
        for a, dark in ((angle + np.pi, 0.7), (angle, 1.0)):
            foot = crank[0] + 0.13 * np.cos(a), crank[1] + 0.13 * np.sin(a)
            knee = 1.0 + 0.08 * np.cos(a), 1.22 + 0.08 * np.sin(a)
            _limb(image, ((0.68, 0.98), knee, foot), 0.16, legs * dark)
            _limb(image, (foot, (foot[0] + 0.1, foot[1] + 0.02)), 0.09, np.full(3, 28))
            if dark < 1:  # the frame lies between the legs
                _limb(image, ((rear, axle), crank, (1.3, 1.12), (0.74, 1.15), (rear, axle)), 0.06, frame)
                _limb(image, (crank, (0.68, 1.0)), 0.06, frame)
                _limb(image, ((front, axle), (1.27, 0.98), (1.4, 0.95)), 0.06, frame * 0.8)
                _blob(image, (0.67, 1.02), (0.14, 0.04), np.full(3, 22))
        body = np.asarray(((0.54, 0.98), (0.86, 1.0), (1.18, 0.58), (1.0, 0.42), (0.82, 0.5)))
        cv2.fillConvexPoly(image, np.rint(body * _SCALE).astype(np.int32), _ink(shirt))
        _limb(image, ((1.06, 0.55), (1.12, 0.82), (1.36, 0.95)), 0.12, shirt * 0.85)
        _blob(image, (1.17, 0.3), (0.12, 0.15), skin)
        _blob(image, (1.15, 0.25), (0.16, 0.15), helmet, 170, 370)
        out.append(_finish(rng, image))
    return out
