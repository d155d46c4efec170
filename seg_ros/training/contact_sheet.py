"""Draws the best, the median and the worst results: rows of pictures with a title each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import cv2
import numpy as np

T = TypeVar("T")

_WIDTH = 1200


def best_median_worst(members: Sequence[T], score: Callable[[T], float], each: int = 3) -> Iterator[tuple[str, T]]:
    """Yields `("best", member)` for the `each` best scored, then as many in the middle, and the worst."""
    order = sorted(members, key=score, reverse=True)
    middle = max(0, len(order) // 2 - each // 2)
    groups = {"best": order[:each], "median": order[middle : middle + each], "worst": order[-each:]}
    return ((title, member) for title, group in groups.items() for member in group)


def titled_row(panels: Sequence[np.ndarray], title: str) -> np.ndarray:
    """Puts BGR panels of one height side by side, scaled to a common width, with a title over them."""
    row = np.hstack(list(panels))
    height = max(1, round(_WIDTH * row.shape[0] / row.shape[1]))
    row = cv2.resize(row, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    cv2.rectangle(row, (0, 0), (9 * len(title), 22), (0, 0, 0), -1)
    cv2.putText(row, title, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return row


def stack(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Puts the rows under each other."""
    return np.vstack([cv2.copyMakeBorder(row, 0, 4, 0, 0, cv2.BORDER_CONSTANT) for row in rows])
