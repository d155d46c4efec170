"""Random textures from smoothed noise."""

from __future__ import annotations

import cv2
import numpy as np


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float], wrap: bool = False
) -> np.ndarray:
    """Makes noise of `shape` (H, W), float32 in 0..1, varying over `cell` (rows, columns) px; `wrap`: rows repeat."""
    rows, columns = (max(int(np.ceil(n / c)), 1) for n, c in zip(shape, cell, strict=True))
    grid = rng.random((rows, columns), dtype=np.float32)
    if wrap:
        pad = cv2.copyMakeBorder(grid, 1, 1, 0, 0, cv2.BORDER_WRAP)
        tall = cv2.resize(pad, (shape[1], round(shape[0] * (rows + 2) / rows)), interpolation=cv2.INTER_LINEAR)
        edge = (tall.shape[0] - shape[0]) // 2
        return tall[edge : edge + shape[0]]
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def grain(rng: np.random.Generator, shape: tuple[int, int], amount: float) -> np.ndarray:
    """Makes noise of `shape` (H, W), float32, independent uniform noise in -`amount`..`amount`."""
    return (rng.random(shape, dtype=np.float32) - 0.5) * (2 * amount)


def textured(color: np.ndarray, *fields: np.ndarray) -> np.ndarray:
    """Makes a texture `(H, W, 4) uint8`: `color` (3,) brightened by the sum of `fields` (H, W); channel 4 is 0."""
    total = np.float32(1) + sum(fields)
    out = np.zeros((*total.shape, 4), np.uint8)
    for i in range(3):
        out[..., i] = np.clip(total * np.float32(color[i]), 0, 255)
    return out
