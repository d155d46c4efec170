"""What is drawn in space, as plain arrays: fewer points of a cloud, and the edges of boxes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from seg_ros.lifting.cloud import placed

_CORNERS = np.float32([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a ^ b).bit_count() == 1]
"""Corners that differ in one coordinate."""


@dataclasses.dataclass(frozen=True)
class Solid:
    """A box in space.

    Attributes:
        name: of its class, by which it is filtered.
        text: what is written above it.
        center: `(3,)`, m: ahead, left, up.
        size: `(3,)`, m, along its own axes.
        rotation: `(3, 3)`, turns its own axes into ahead, left, up.
    """

    name: str
    text: str
    center: np.ndarray
    size: np.ndarray
    rotation: np.ndarray


def thinned(cloud: np.ndarray, most: int) -> np.ndarray:
    """Returns every k-th point that has a place, in rows and columns alike, so that there are at most `most`.

    Args:
        cloud: `(H, W)` or `(N,)` of `POINT`; an organised one has its points at pixels.

    Returns:
        `(M,)` of `POINT`.
    """
    step = 1
    if cloud.size > most:
        step = math.ceil((cloud.size / most) ** (1 / cloud.ndim))
    some = placed(cloud[(slice(None, None, step),) * cloud.ndim].reshape(-1))
    return some[:most]  # a step in both directions keeps a few more where the sides are no multiples of it


def edges(solids: list[Solid]) -> np.ndarray:
    """Returns the twelve edges of each box, `(12 * N, 2, 3) float32`: ahead, left, up, m."""
    lines = np.zeros((len(solids), len(_EDGES), 2, 3), np.float32)
    for line, solid in zip(lines, solids, strict=True):
        line[:] = ((_CORNERS * solid.size) @ solid.rotation.T + solid.center)[_EDGES]
    return lines.reshape(-1, 2, 3)
