"""The backdrop: sky, clouds and a far skyline, painted once per street as a panorama."""

from __future__ import annotations

import cv2
import numpy as np

from seg_ros.scenes.noise import smooth_noise
from seg_ros.scenes.weather import Weather

_BUILDING, _TREE = 1, 5


class Sky:
    """A panorama `(rows above the horizon, 2 W, 4) uint8` with its paint numbers, shifted by heading."""

    def __init__(self, rng: np.random.Generator, weather: Weather, size: tuple[int, int], rows: int) -> None:
        """Paints it for images of `size` `(H, W)`.

        Args:
            rows: image rows that the panorama covers; its last row lies on the horizon.
        """
        width = size[1] * 2
        self._panorama = np.zeros((rows, width, 4), np.uint8)
        up = np.linspace(1, 0, rows, dtype=np.float32)[:, None]
        mix = np.sqrt(up)
        cell = size[0] / 6
        cloud = sum(smooth_noise(rng, (rows, width), (cell * k, cell * k * 2.5)) * k for k in (1.0, 0.45, 0.2))
        cloud = np.clip((cloud / 1.65 - 0.68 + 0.45 * weather.clouds) * 5, 0, 1) * (0.35 + 0.5 * up)
        shade = 0.92 + 0.14 * smooth_noise(rng, (rows, width), (cell * 0.3, cell * 0.6))
        bright = np.clip(weather.horizon * 0.5 + 128, 0, 255)
        for i in range(3):
            base = weather.zenith[i] * mix + weather.horizon[i] * (1 - mix)
            self._panorama[..., i] = np.clip(base + (bright[i] * shade - base) * cloud, 0, 255)
        self._skyline(rng, weather, size[0])

    def _skyline(self, rng: np.random.Generator, weather: Weather, height: int) -> None:
        rows, width = self._panorama.shape[:2]
        unit = height / 100
        x = -unit * rng.uniform(0, 6)
        while x < width:
            step = unit * rng.uniform(3, 9)
            top = unit * rng.uniform(2.5, 7)
            tree = rng.random() < 0.4
            near = np.asarray((70, 95, 55) if tree else rng.uniform(80, 160, 3))
            color = (*(near * 0.45 + weather.horizon * 0.55), _TREE if tree else _BUILDING)
            if tree:
                center = (int(x + step / 2), rows)
                cv2.ellipse(self._panorama, center, (int(step * 0.8) + 1, int(top * 0.8) + 1), 0, 0, 360, color, -1)
            else:
                cv2.rectangle(self._panorama, (int(x), int(rows - top)), (int(x + step), rows), color, -1)
            x += step

    def paint(self, pixels: np.ndarray, horizon: float, shift: float) -> None:
        """Paints the rows of `pixels` `(H, W, 4) uint8` above `horizon` (px), turned by `shift` px."""
        rows, width = self._panorama.shape[:2]
        w = pixels.shape[1]
        end = min(int(horizon) + 1, rows, pixels.shape[0])
        left = int(np.clip((width - w) / 2 - shift, 0, width - w))
        pixels[:end] = self._panorama[rows - end :, left : left + w]
