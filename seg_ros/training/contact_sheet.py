"""Draws the best, the median and the worst results: rows of pictures with a title each, and a legend of the classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED, ClassMap, distinct_colors

T = TypeVar("T")

_WIDTH = 1200
_BAR = 22
"""Height of a title and of a line of the legend, pixels."""
_GAP = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PAPER = (255, 255, 255)
_APART = 40
"""Least difference of two colours in one of their channels that is seen at a glance."""


def best_median_worst(members: Sequence[T], score: Callable[[T], float], each: int = 3) -> Iterator[tuple[str, T]]:
    """Yields `("best", member)` for the `each` best scored, then as many in the middle, and the worst; none twice."""
    order = sorted(members, key=score, reverse=True)
    each = min(each, max(1, len(order) // 3))
    best, worst = order[:each], order[each:][-each:]
    rest = order[each : len(order) - len(worst)]
    middle = max(0, len(rest) // 2 - each // 2)
    groups = {"best": best, "median": rest[middle : middle + each], "worst": worst}
    return ((title, member) for title, group in groups.items() for member in group)


def distinct_palette(classes: ClassMap) -> np.ndarray:
    """Returns RGB by label value, `(256, 3) uint8`, of which no class is taken for another or for unlabelled pixels.

    The class map's own colours, where they differ enough; unlabelled is black, or white where a class is near black.
    """
    colors = classes.colors if _apart(classes.colors) else distinct_colors(len(classes))
    black_and_white = ((0, 0, 0), (255, 255, 255), (128, 128, 128))
    unlabelled = next((c for c in black_and_white if _apart([*colors, c])), black_and_white[0])
    palette = np.tile(np.array(unlabelled, np.uint8), (256, 1))
    palette[: len(colors)] = colors
    return palette


def _apart(colors: Sequence[tuple[int, int, int]]) -> bool:
    table = np.array(colors, np.int16)
    differences = np.abs(table[:, None] - table).max(axis=-1)
    return not (differences + 255 * np.eye(len(table), dtype=np.int16) < _APART).any()


def legend_row(names: Sequence[str], palette: np.ndarray) -> np.ndarray:
    """Draws swatch and name of each class and of unlabelled, as wide as a row, BGR; `palette` is `(256, 3)` BGR."""
    entries = [*((name, palette[i]) for i, name in enumerate(names)), ("unlabelled", palette[UNLABELLED])]
    places, x, y = [], _GAP, 0
    for name, _ in entries:
        width = 40 + cv2.getTextSize(name, _FONT, 0.5, 1)[0][0]
        if x > _GAP and x + width > _WIDTH:
            x, y = _GAP, y + _BAR
        places.append((x, y))
        x += width
    row = np.full((y + _BAR, _WIDTH, 3), _PAPER, np.uint8)
    for (name, color), (x, y) in zip(entries, places, strict=True):
        cv2.rectangle(row, (x, y + 4), (x + 16, y + 18), color.tolist(), cv2.FILLED)
        cv2.rectangle(row, (x, y + 4), (x + 16, y + 18), (0, 0, 0), 1)
        _write(row, name, (x + 22, y + 16))
    return row


def titled_row(panels: Sequence[np.ndarray], title: str) -> np.ndarray:
    """Puts BGR panels of one height side by side, scaled to a common width, under a title."""
    gap = np.full((panels[0].shape[0], max(1, _GAP * sum(p.shape[1] for p in panels) // _WIDTH), 3), _PAPER, np.uint8)
    row = np.hstack([part for panel in panels for part in (panel, gap)][:-1])
    height = max(1, round(_WIDTH * row.shape[0] / row.shape[1]))
    row = cv2.resize(row, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    bar = np.full((_BAR, _WIDTH, 3), _PAPER, np.uint8)
    _write(bar, title, (6, 16))
    return np.vstack([bar, row])


def stack(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Puts the rows under each other."""
    return np.vstack([cv2.copyMakeBorder(row, 0, _GAP, 0, 0, cv2.BORDER_CONSTANT, value=_PAPER) for row in rows])


def _write(canvas: np.ndarray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, _FONT, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
