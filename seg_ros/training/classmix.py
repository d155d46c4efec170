"""Puts what is rare in a data set into more of its pictures."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class ClassMix:
    """Copies the pixels of rare classes from one picture into another, with their labels.

    Olsson et al.: ClassMix, WACV 2021, section 3.1, there for unlabelled pictures and half of all classes.

    Attributes:
        share: of the pictures that get pixels of another one, 0..1.
        rare: ids of the classes to copy; each that occurs is copied with probability 1/2.
    """

    share: float
    rare: tuple[int, ...]

    @classmethod
    def of(cls, share: float, pixels: np.ndarray) -> ClassMix:
        """Takes as rare the classes with less than a quarter of an equal share of the `pixels`, `(C,)` by class."""
        pixels = np.asarray(pixels)
        return cls(share, tuple(np.flatnonzero(4 * len(pixels) * pixels < pixels.sum()).tolist()))

    def __call__(
        self,
        sample: tuple[np.ndarray, np.ndarray],
        other: tuple[np.ndarray, np.ndarray],
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns `sample` with pixels of `other`: `(H, W, 3) uint8` and labels `(H, W) uint8`, all of one size."""
        copied = [i for i in self.rare if rng.random() < 0.5]
        where = np.isin(other[1], copied)
        return np.where(where[..., None], other[0], sample[0]), np.where(where, other[1], sample[1])
