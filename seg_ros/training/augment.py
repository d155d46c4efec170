"""Augments pictures at random: scale, crop, mirror, colour and noise."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED
from seg_ros.metrics.truth import Truth


@dataclasses.dataclass(frozen=True)
class Augment:
    """Crops a randomly scaled, mirrored and recoloured sample at random.

    Attributes:
        crop: size `(H, W)` in pixels of what comes out; what lies outside the picture is unlabelled.
        scale: smallest and largest factor, drawn log-uniformly.
        colour: largest relative change of brightness, contrast and saturation, 0..1.
        noise: largest standard deviation of a sensor's noise, which half of the pictures get, 0..1 of white.
        fit: scale 1 is the picture that just fits the crop, not the picture's own size: for data sets whose pictures
            differ much in size.

    Raises:
        ValueError: if the largest factor of `scale` comes first, or one is not above 0.
    """

    crop: tuple[int, int]
    scale: tuple[float, float] = (0.6, 1.8)
    colour: float = 0.3
    noise: float = 0.05
    fit: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale: expected the smallest factor and then the largest, got {self.scale}")

    def __call__(
        self, sample: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augments a picture `(H, W, 3) uint8` RGB and its label image `(H, W) uint8`."""
        image, label = sample
        warp = self._warp(image, rng)
        height, width = self.crop
        label = cv2.warpAffine(label, warp, (width, height), flags=cv2.INTER_NEAREST, borderValue=UNLABELLED)
        return self._picture(image, warp, rng), label

    def instances(self, sample: tuple[np.ndarray, Truth], rng: np.random.Generator) -> tuple[np.ndarray, Truth]:
        """Augments a picture `(H, W, 3) uint8` RGB and its objects.

        Objects that leave the picture are dropped; those that keep too few pixels are ignored ones.
        """
        image, truth = sample
        warp = self._warp(image, rng)
        masks = np.zeros((len(truth), *self.crop), np.uint8)
        for source, box, mask in zip(truth.masks, truth.boxes().astype(int), masks, strict=True):
            _warp_mask(source, box, warp, mask)
        return self._picture(image, warp, rng), Truth.of(masks, truth.class_id, truth.ignore)

    def _warp(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws the warp that maps the picture onto the crop, `(2, 3) float64`: scale, crop and mirror in one."""
        height, width = self.crop
        factor = np.exp(rng.uniform(*np.log(self.scale)))
        if self.fit:
            factor *= min(height / image.shape[0], width / image.shape[1])
        spare_x = image.shape[1] * factor - width
        spare_y = image.shape[0] * factor - height
        left = rng.uniform(min(spare_x, 0), max(spare_x, 0))
        top = rng.uniform(min(spare_y, 0), max(spare_y, 0))
        warp = np.array([[factor, 0, -left], [0, factor, -top]])
        if rng.random() < 0.5:
            warp[0] = [-factor, 0, width - 1 + left]
        return warp

    def _picture(self, image: np.ndarray, warp: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if abs(warp[0, 0]) < 0.5:
            image, warp = _shrunk(image, warp)
        image = cv2.warpAffine(image, warp, self.crop[::-1], borderValue=(128, 128, 128))
        image = self._recolour(image, rng)
        return self._noisy(image, rng) if rng.random() < 0.5 else image

    def _recolour(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        brightness, contrast, saturation = 1 + rng.uniform(-self.colour, self.colour, 3)
        tint = 1 + rng.uniform(-self.colour, self.colour, 3) / 4
        # All four are linear in the pixel, so they are one 3x4 matrix.
        grey = np.full((3, 3), 1 / 3)
        matrix = (saturation * np.eye(3) + (1 - saturation) * grey) * tint[:, None] * contrast
        mean = np.array(cv2.mean(image)[:3])
        offset = brightness * mean - matrix @ mean
        return cv2.transform(image, np.column_stack((matrix, offset)))

    def _noisy(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_normal(image.shape, np.float32) * (255 * rng.uniform(0, self.noise))
        return cv2.add(image, noise, dtype=cv2.CV_8U)


def _shrunk(image: np.ndarray, warp: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrinks the picture to the scale of the warp, by means over areas, and returns what is left to warp.

    A warp alone would see few of the pixels, and what it leaves of fine texture is noise.
    """
    own = np.array(image.shape[1::-1])
    size = np.maximum(np.rint(own * abs(warp[0, 0])), 1).astype(int)
    ratio = own / size
    move = warp[:, :2] @ (ratio / 2 - 0.5)  # resize maps the edges of the picture, a warp the centres of pixels
    return (
        cv2.resize(image, size.tolist(), interpolation=cv2.INTER_AREA),
        np.column_stack((warp[:, :2] * ratio, warp[:, 2] + move)),
    )


def _warp_mask(source: np.ndarray, box: np.ndarray, warp: np.ndarray, out: np.ndarray) -> None:
    """Writes the warped `source` into `out`, which is zero; only the box of the object is touched."""
    x0, y0, x1, y1 = box
    corners = np.array([[x0 - 0.5, x1 - 0.5], [y0 - 0.5, y1 - 0.5]])  # the edges of the outer pixels
    corners = warp[:, :2] @ corners + warp[:, 2:]
    low = np.maximum(np.floor(corners.min(axis=1)), 0).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=1)) + 1, out.shape[::-1]).astype(int)
    if (low >= high).any():
        return
    local = warp.copy()
    local[:, 2] += warp[:, :2] @ (x0, y0) - low
    # Nearest and without a border colour, so that ones stay ones and what is outside the box is not the object.
    part = cv2.warpAffine(source[y0:y1, x0:x1], local, (high - low).tolist(), flags=cv2.INTER_NEAREST)
    out[low[1] : high[1], low[0] : high[0]] = part
