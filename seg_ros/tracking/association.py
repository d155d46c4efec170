"""Associates objects with tracks by how much their masks overlap, the best pair first."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from seg_ros.tracking.kalman import Motion

GRID = 16
"""Masks are compared at this many points along each side of the box around both."""
_NEAR, _STRAY, _FAR = 0.4, 0.25, 1.5
"""How far an object may be from where it should be, in its own sizes; more for each second unseen; and at most."""
_RESIZED = 1.5
"""Largest change of the logarithm of the size: a track may be of the visible fifth of an object."""


def grids(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Samples masks at the middles of `GRID` x `GRID` cells of their box.

    Args:
        masks: N arrays `(height, width) uint8` of any size; what is above 0 is inside.

    Returns:
        `(N, GRID + 1, GRID + 1) bool`; the last row and column are outside, and False.
    """
    sampled = np.zeros((len(masks), GRID + 1, GRID + 1), bool)
    for target, mask in zip(sampled, masks, strict=True):
        target[:GRID, :GRID] = cv2.resize(mask, (GRID, GRID), interpolation=cv2.INTER_NEAREST_EXACT)
    return sampled


def box_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Computes the IoU of boxes `(N, 4)` and `(M, 4)`, `(x0, y0, x1, y1)` pixels: `(N, M)`."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.maximum(high - low, 0).prod(axis=2)
    area, other_area = ((each[:, 2:] - each[:, :2]).prod(axis=1) for each in (boxes, others))
    return both / np.maximum(area[:, None] + other_area[None] - both, 1e-9)


def mask_iou(boxes: np.ndarray, masks: np.ndarray, other_boxes: np.ndarray, other_masks: np.ndarray) -> np.ndarray:
    """Computes the IoU of masks, `(N, M) float32`, each stretched over its box; 0 where the boxes are apart.

    Args:
        boxes: `(N, 4)`, `(x0, y0, x1, y1)` pixels.
        masks: `(N, GRID + 1, GRID + 1)`, of `grids`.
        other_boxes, other_masks: the same of M others.
    """
    apart = np.maximum(boxes[:, None, :2], other_boxes[None, :, :2]) >= np.minimum(
        boxes[:, None, 2:], other_boxes[:, 2:]
    )
    a, b = np.nonzero(~(apart[..., 0] | apart[..., 1]))
    pairs = np.concatenate((boxes[a], other_boxes[b])).reshape(2, len(a), 4)
    start = pairs[..., :2].min(axis=0)
    step = (pairs[..., 2:].max(axis=0) - start) / GRID
    points = start[:, None] + (np.arange(GRID) + 0.5)[:, None] * step[:, None]  # (P, GRID, 2)
    which = np.concatenate((a, b + len(masks))).reshape(2, -1)
    one, two = _sampled(np.concatenate((masks, other_masks)), which, pairs, points)
    iou = np.zeros((len(boxes), len(other_boxes)), np.float32)
    both = (one & two).sum(axis=1, dtype=np.uint16)
    iou[a, b] = both / np.maximum((one | two).sum(axis=1, dtype=np.uint16), 1)
    return iou


def _sampled(masks: np.ndarray, which: np.ndarray, boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Looks both masks of P pairs up at the columns and rows of `points` `(P, GRID, 2)`: `(2, P, GRID * GRID) bool`.

    Args:
        which: of the masks, `(2, P)`.
        boxes: theirs, `(2, P, 4)` pixels.
    """
    corner = boxes[:, :, None, :2]
    cells = np.floor((points - corner) * (GRID / (boxes[:, :, None, 2:] - corner)))
    cells = np.where((cells >= 0) & (cells < GRID), cells, GRID).astype(np.intp)
    rows = (which[..., None] * (GRID + 1) + cells[..., 1]) * (GRID + 1)
    return masks.reshape(-1).take((rows[..., None] + cells[:, :, None, :, 0]).reshape(*which.shape, GRID * GRID))


def nearness(motion: Motion, since: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Computes how near objects are to where tracks should be, `(T, D)`: 1 in the place, 0 where it is too far.

    A half hidden object has one of its edges where it should be, so along each axis the nearest of both edges and
    the centre counts, in units of the larger object. What was not seen for long may be farther away.

    Args:
        motion: of T tracks, predicted.
        since: `(T,)`, s since each was seen.
        place: `(D, 4)` of objects, as in `Motion`.
    """
    own, theirs = _edges(motion.place)[:, None], _edges(place)[None]
    own_size, size = np.exp(motion.place[:, None, 2:].max(axis=2)), np.exp(place[None, :, 2:].max(axis=2))
    apart = np.abs(own - theirs).min(axis=3) / np.maximum(own_size, size)[:, :, None]
    distance = np.sqrt((apart**2).sum(axis=2))
    change = np.abs(np.log(own_size / size))
    allowed = np.minimum(_NEAR + _STRAY * since, _FAR)[:, None]
    return np.where((distance < allowed) & (change < _RESIZED), 1.0 / (1.0 + distance + change), 0.0)


def _edges(place: np.ndarray) -> np.ndarray:
    """Returns lower edge, centre and upper edge of each box along x and y, `(N, 2, 3)` pixels."""
    half = np.exp(place[:, 2:]) / 2
    return np.stack((place[:, :2] - half, place[:, :2], place[:, :2] + half), axis=2)


def best_first(similarity: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs rows with columns, the most similar pair first, each once, as long as they are at least `least` similar.

    Where few candidates share a row or column, as here, that is the optimal assignment in all but rare cases, and it
    takes no solver.

    Args:
        similarity: `(N, M)`.

    Returns:
        Rows and columns of the pairs.
    """
    rows, columns = np.nonzero(similarity >= least)
    order = np.argsort(-similarity[rows, columns], kind="stable")
    pairs, used_rows, used_columns = [], set(), set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used_rows and column not in used_columns:
            pairs.append((row, column))
            used_rows.add(row)
            used_columns.add(column)
    chosen = np.array(pairs, np.intp).reshape(-1, 2)
    return chosen[:, 0], chosen[:, 1]
