"""Outlines of objects, and of the areas of chosen classes, as polygons of few corners."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from seg_ros.results import Coasting, Instances, SemanticMap

MOST_CORNERS = 10_000
"""Of all outlines of a frame; the shortest outlines are left out beyond."""
MOST_CROSSINGS = 50_000
"""Of rows with the borders of all wanted classes of a semantic map; a class that goes beyond, and those after it, are
left out. A street at 1080p has 15,000, noise up to 100 times as many: that would take seconds, and show nothing."""

_DASH, _DASHES = 6, 15
"""Pixels of a dash and of the gap behind it, and most of both along a side; with more, they are longer."""
_FAINT = 0.5
"""What stands for the score of what is only expected: lines have their object's score for opacity."""


class Outline(NamedTuple):
    """One closed line around an object or an area of a class, or around a hole in it.

    Attributes:
        class_id: of the class.
        score: of the object, 0..1; 1.0 for an area of a semantic map, which has none.
        id: of the object; 0 for an area of a semantic map.
        corners: `(N, 2) int32`, `(x, y)` pixels of the frame, of the outermost pixels inside; N is 1 or 2 where the
            object is a point or a line. Around a hole they are the innermost pixels inside the object.
    """

    class_id: int
    score: float
    id: int
    corners: np.ndarray


def outlines(output: SemanticMap | Instances, class_ids: Collection[int], tolerance: float) -> list[Outline]:
    """Finds the outlines of all objects of some classes, or, in a semantic map, of the connected areas of each.

    Every pixel of the border is followed (Suzuki and Abe, 1985), then corners are left out as long as the line stays
    within the tolerance (Douglas and Peucker, 1973). `cv2.fillPoly` of all outlines of an object draws its mask again:
    exactly, with a tolerance of 0.

    Args:
        class_ids: whose outlines are wanted.
        tolerance: pixels that a line may be away from the border.

    Returns: the longest first, with `MOST_CORNERS` corners in all.
    """
    found = list(_borders(output, class_ids))
    found.sort(key=lambda outline: len(outline.corners), reverse=True)
    kept, room = [], MOST_CORNERS
    for outline in found:
        corners = cv2.approxPolyDP(outline.corners, tolerance, True) if tolerance else outline.corners
        room -= len(corners)
        if room < 0:
            break
        kept.append(outline._replace(corners=corners[:, 0]))
    return kept


def dashed(coasting: Coasting, class_ids: Collection[int]) -> list[Outline]:
    """Makes the dashes around objects of some classes that are only expected, each a line of two corners."""
    return [
        Outline(class_id, _FAINT, 0, dash)
        for class_id, box in zip(coasting.class_id.tolist(), coasting.box, strict=True)
        if class_id in class_ids
        for dash in dashes(box)
    ]


def dashes(box: np.ndarray) -> np.ndarray:
    """Makes the dashes along the sides of a box, `(K, 2, 2) int32`, both ends of each as `(x, y)` pixels.

    Args:
        box: `(x0, y0, x1, y1)`, pixels; the last two are outside.
    """
    x0, y0 = np.floor(box[:2])
    x1, y1 = np.maximum(np.ceil(box[2:]) - 1, (x0, y0))
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)])
    found = []
    for start, end in itertools.pairwise(corners):
        pieces = min(int(np.abs(end - start).max() / _DASH) // 2 * 2 + 1, _DASHES)  # odd: dashes meet at the corners
        steps = start + np.linspace(0, 1, pieces + 1)[:, None] * (end - start)
        found.append(np.stack((steps[:-1:2], steps[1::2]), axis=1))
    return np.rint(np.concatenate(found)).astype(np.int32)


@functools.singledispatch
def _borders(output: SemanticMap | Instances, class_ids: Collection[int]) -> Iterator[Outline]:
    """Outlines with every corner of the border, as OpenCV has them: `(N, 1, 2)`."""
    raise TypeError(f"expected a SemanticMap or Instances, got {type(output).__name__}")


@_borders.register
def _(output: Instances, class_ids: Collection[int]) -> Iterator[Outline]:
    rows = zip(output.class_id.tolist(), output.score.tolist(), output.roi.tolist(), output.masks, strict=True)
    for i, (class_id, score, (x, y, _, _), mask) in enumerate(rows):
        if class_id in class_ids:
            for corners in _contours(mask, (x, y)):
                yield Outline(class_id, score, i + 1, corners)


@_borders.register
def _(output: SemanticMap, class_ids: Collection[int]) -> Iterator[Outline]:
    room = MOST_CROSSINGS
    for class_id in sorted(class_ids):
        mask = output.mask([class_id])
        room -= cv2.countNonZero(cv2.compare(mask[:, 1:], mask[:, :-1], cv2.CMP_NE)) if mask.shape[1] > 1 else 0
        if room < 0:
            return
        x, y, width, height = cv2.boundingRect(mask)
        if width:
            for corners in _contours(mask[y : y + height, x : x + width], (x, y)):
                yield Outline(class_id, 1.0, 0, corners)


def _contours(mask: np.ndarray, offset: tuple[int, int]) -> Iterator[np.ndarray]:
    # Horizontal, vertical and diagonal runs are their ends, which loses nothing.
    return cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE, offset=offset)[0]
