"""Pastes masks: from the box and the low-resolution mask of each object to a mask in pixels of the frame."""

from __future__ import annotations

import math

import cv2
import numpy as np

from seg_ros.geometry import Resize
from seg_ros.results import Instances, Selection


def paste(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray,
    masks: np.ndarray,
    resize: Resize,
    selection: Selection,
) -> Instances:
    """Returns the selected objects at the size of the frame.

    Args:
        boxes: `(D, 4) float32`, pixels of the network input.
        scores: `(D,) float32` in descending order, 0 for an empty slot.
        class_ids: `(D,)` integers.
        masks: `(D, M, M) float32`, probability 0..1 over the box.
        resize: where the frame is in the network input.
        selection: which objects count; one without a single pixel above the mask threshold, or whose box is outside
            the frame, does not. Objects beyond `max_detections` are counted, and not pasted.
    """
    least = selection.score_threshold
    faint = least if selection.faint_score is None else min(selection.faint_score, least)
    wanted = (scores > 0) & (scores >= faint)
    if selection.classes is not None:
        wanted &= np.isin(class_ids, list(selection.classes))
    boxes = resize.boxes_to_frame(boxes)
    clipped = np.clip(boxes, 0, np.array(resize.frame[::-1] * 2, np.float32))
    wanted &= (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    waiting = np.flatnonzero(wanted).tolist()
    kept, pasted = [], []
    while waiting and len(kept) < selection.max_detections:
        i = waiting.pop(0)
        crop = _paste(masks[i], boxes[i], resize.frame, selection.mask_threshold)
        if crop is not None:
            kept.append(i)
            pasted.append(crop)
    return Instances(
        size=resize.frame,
        class_id=class_ids[kept].astype(np.uint8),
        score=scores[kept].astype(np.float32),
        box=clipped[kept],
        roi=np.array([roi for roi, _ in pasted], np.int32).reshape(-1, 4),
        masks=tuple(mask for _, mask in pasted),
        capped=int((scores[waiting] >= least).sum()),
    )


def _paste(
    mask: np.ndarray, box: np.ndarray, size: tuple[int, int], threshold: float
) -> tuple[tuple[int, int, int, int], np.ndarray] | None:
    """RoI `(x, y, width, height)` and mask of one object in a frame of `size`; None if no pixel is inside.

    The mask's cells tile the box; a pixel takes the value at its centre, interpolated between the cells' centres, and
    fades to 0 half a cell outside the box (as torchvision pads its masks by one cell).
    """
    x0, y0, x1, y1 = box.tolist()
    cell_x, cell_y = (x1 - x0) / mask.shape[1], (y1 - y0) / mask.shape[0]
    if cell_x <= 0 or cell_y <= 0:
        return None
    left, top = max(0, math.floor(x0 - cell_x / 2)), max(0, math.floor(y0 - cell_y / 2))
    right, bottom = min(size[1], math.ceil(x1 + cell_x / 2)), min(size[0], math.ceil(y1 + cell_y / 2))
    if left >= right or top >= bottom:
        return None
    rows = _interpolation(np.arange(top, bottom), y0, cell_y, mask.shape[0])
    columns = _interpolation(np.arange(left, right), x0, cell_x, mask.shape[1])
    values = rows @ mask @ columns.T
    inside = (values >= threshold).astype(np.uint8) * 255  # cv2.compare takes a single pixel for a scalar
    x, y, width, height = cv2.boundingRect(inside)
    if not width:
        return None
    return (left + x, top + y, width, height), inside[y : y + height, x : x + width]


def _interpolation(pixels: np.ndarray, start: float, cell: float, cells: int) -> np.ndarray:
    """`(len(pixels), cells) float32`: share of each cell in the value at each pixel's centre, along one axis.

    As a product of matrices the two axes are interpolated in float32, and several times as fast as by OpenCV's
    warpAffine, which rounds places to 1/32 of a cell: 2 pixels in a box of 1080p.
    """
    at = (pixels + 0.5 - start) / cell - 0.5
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(cells))).astype(np.float32)
