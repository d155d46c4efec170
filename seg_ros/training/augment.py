"""Random scale, crop, flip and colour: one picture becomes many."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED


@dataclasses.dataclass(frozen=True)
class Augment:
    """A random crop of a randomly scaled, mirrored and recoloured sample.

    Attributes:
        crop: `(height, width)` in pixels of what comes out; what lies outside the picture is unlabelled.
        scale: smallest and largest factor, drawn log-uniformly.
        colour: largest relative change of brightness, contrast and saturation, 0..1.
    """

    crop: tuple[int, int]
    scale: tuple[float, float] = (0.6, 1.8)
    colour: float = 0.3

    def __call__(
        self, sample: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        image, label = sample
        height, width = self.crop
        factor = np.exp(rng.uniform(*np.log(self.scale)))
        # Map the crop onto the picture by one affine warp: scaling, cropping and flipping at the cost of one.
        spare_x = image.shape[1] * factor - width
        spare_y = image.shape[0] * factor - height
        left = rng.uniform(min(spare_x, 0), max(spare_x, 0))
        top = rng.uniform(min(spare_y, 0), max(spare_y, 0))
        warp = np.array([[factor, 0, -left], [0, factor, -top]])
        if rng.random() < 0.5:
            warp[0] = [-factor, 0, width - 1 + left]
        image = cv2.warpAffine(image, warp, (width, height), borderValue=(128, 128, 128))
        label = cv2.warpAffine(label, warp, (width, height), flags=cv2.INTER_NEAREST, borderValue=UNLABELLED)
        return self._recolour(image, rng), label

    def _recolour(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        brightness, contrast, saturation = 1 + rng.uniform(-self.colour, self.colour, 3)
        tint = 1 + rng.uniform(-self.colour, self.colour, 3) / 4
        # All four are linear in the pixel, so they are one 3x4 matrix.
        grey = np.full((3, 3), 1 / 3)
        matrix = (saturation * np.eye(3) + (1 - saturation) * grey) * tint[:, None] * contrast
        mean = image.reshape(-1, 3).mean(axis=0)
        offset = brightness * mean - matrix @ mean
        return cv2.transform(image, np.column_stack((matrix, offset)))
