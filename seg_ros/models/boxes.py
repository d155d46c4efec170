"""Boxes `(x0, y0, x1, y1)` in pixels: overlap, regression, greedy suppression; static shapes throughout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_LARGEST_GROWTH = math.log(1000.0 / 16)
"""Bound on the predicted logarithm of a growth, as in Detectron and torchvision."""

ENDLESS = 1e30
"""More than the sum of all numbers that a network gives for an image."""
_BLOCK = 128
_ROUNDS = 25
"""Of suppression inside a block where it has no loop; an odd number, see `_settled`."""


def constants(values: Sequence[float], device: torch.device) -> Tensor:
    """Makes a row of numbers, `(K,)`, of the type that `torch.tensor` gives them, on the device itself.

    `torch.tensor` makes them on the host and copies them, which no CUDA graph captures.
    """
    return torch.cat([torch.full((1,), value, device=device) for value in values])


def area(boxes: Tensor) -> Tensor:
    """Returns the area of boxes `(..., 4)`, `(...)` square pixels."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    return (x1 - x0) * (y1 - y0)


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Returns the intersection over union of every pair: `(..., A, 4)`, `(..., B, 4)` -> `(..., A, B)`, 0..1."""
    low = torch.maximum(one[..., :, None, :2], other[..., None, :, :2])
    high = torch.minimum(one[..., :, None, 2:], other[..., None, :, 2:])
    width, height = (high - low).clamp(min=0).unbind(-1)
    intersection = width * height
    return intersection / (area(one)[..., :, None] + area(other)[..., None, :] - intersection)


def encode(boxes: Tensor, anchors: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Returns what a network shall predict so that `decode` makes `boxes` of `anchors`; both `(..., 4)`.

    Girshick et al.: R-CNN, CVPR 2014, appendix C: shift of the centre in units of the anchor's size, and the
    logarithm of the growth, each times its weight.
    """
    centre, size = _centre_size(boxes)
    anchor_centre, anchor_size = _centre_size(anchors)
    shift = (centre - anchor_centre) / anchor_size
    growth = torch.log(size / anchor_size)
    return torch.cat((shift, growth), dim=-1) * boxes.new_tensor(weights)


def decode(deltas: Tensor, anchors: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Returns the boxes that `deltas` make of `anchors`; `(..., 4)` each, broadcast."""
    wx, wy, ww, wh = weights
    x0, y0, x1, y1 = anchors.unbind(-1)
    width, height = x1 - x0, y1 - y0
    x = deltas[..., 0] / wx * width + (x0 + 0.5 * width)
    y = deltas[..., 1] / wy * height + (y0 + 0.5 * height)
    half_width = 0.5 * torch.exp((deltas[..., 2] / ww).clamp(max=_LARGEST_GROWTH)) * width
    half_height = 0.5 * torch.exp((deltas[..., 3] / wh).clamp(max=_LARGEST_GROWTH)) * height
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), dim=-1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Cuts `boxes` `(..., 4)` to an image of size `(H, W)`; a coordinate that is NaN becomes 0."""
    height, width = size
    x0, y0, x1, y1 = boxes.unbind(-1)
    x0, x1 = bounded(x0, width), bounded(x1, width)
    y0, y1 = bounded(y0, height), bounded(y1, height)
    return torch.stack((x0, y0, x1, y1), dim=-1)


def bounded(values: Tensor, largest: float | Tensor) -> Tensor:
    """Cuts `values` to 0..`largest`; NaN becomes 0. `clamp` keeps a NaN, which is no index and no place."""
    return torch.where(values > 0.0, values, 0.0).clamp(max=largest)


def finite(*outputs: Tensor) -> Tensor:
    """Returns for each image, `(N,)` bool, whether all its numbers in `outputs`, `(N, ...)` each, are finite.

    By their sum, which is not finite if one of them is not.
    """
    total = sum(output.float().sum(dim=tuple(range(1, output.ndim))) for output in outputs)
    return total.abs() < ENDLESS


def take(values: Tensor, index: Tensor) -> Tensor:
    """Takes of each image the rows that `index` names: `(N, M, ...)` at `(N, K)` -> `(N, K, ...)`.

    `values.gather(1, index)` in rows: TensorRT's converter of gather takes no dynamic batch, that of index_select does.
    """
    images = torch.arange(values.shape[0], device=index.device).view(-1, 1)
    rows = values.flatten(0, 1).index_select(0, (index + images * values.shape[1]).flatten())
    return rows.view(*index.shape, *values.shape[2:])


def greedy_nms(
    boxes: Tensor, valid: Tensor, threshold: float, group: Tensor | None = None, loop: bool = True
) -> Tensor:
    """Suppresses non-maxima: of boxes that overlap by more than `threshold`, the better one stays.

    Greedy from best to worst as everywhere, but without a loop over the boxes and with one shape, whatever the
    data. Box j stays if no better box that stays overlaps it: `keep = valid and not any(overlap and keep)`. Taken
    as an iteration, every round settles one more link of each chain "a suppresses b, which would have suppressed
    c, ..." (Zheng et al.: Cluster-NMS, 2020). Going block by block in order of score, with what stayed in earlier
    blocks already settled, leaves only chains inside a block of 128 to the rounds. Trained networks show chains of a
    handful of links.

    With a loop the rounds go on until nothing changes: the result is exactly the greedy one. Without, and always on a
    GPU, there are 25, so it is the greedy one if no chain inside a block has more than 25 links. Of a longer chain
    boxes may be missing, but never do two of those that stay suppress each other.

    Args:
        boxes: `(B, K, 4)` in descending score.
        valid: `(B, K)` bool; others neither stay nor suppress.
        threshold: IoU, 0..1.
        group: `(B, K)`; only boxes of one group suppress each other. None: all.
        loop: whether a loop may end by the data: TensorRT takes none, and no CUDA graph captures one.

    Returns:
        `(B, K)` bool: those that stay.
    """
    loop = loop and not boxes.is_cuda
    overlap = iou(boxes, boxes) > threshold
    if group is not None:
        overlap = overlap & (group[:, :, None] == group[:, None, :])
    overlap = overlap.to(boxes.dtype).triu(1)  # numbers, because sums of them compile well everywhere
    rest, kept = valid.to(boxes.dtype), []
    count = boxes.shape[1]
    for start in range(0, count, _BLOCK):
        end = min(start + _BLOCK, count)
        alive, rest = rest[:, : end - start], rest[:, end - start :]
        keep = _settled(overlap[:, start:end, start:end], alive, loop)
        kept.append(keep)
        if end < count:
            rest = _unsuppressed(rest, overlap[:, start:end, end:], keep)
    return torch.cat(kept, dim=1) > 0


def _settled(overlap: Tensor, alive: Tensor, loop: bool) -> Tensor:
    """Iterates until it is settled which boxes of a block stay: `(B, I, I)`, `(B, I)` -> `(B, I)`, 0 or 1.

    Each round turns more than those that stay into fewer, and fewer into more. It begins with more, all that are
    alive, so after an odd number of rounds none is too many.
    """
    if torch.compiler.is_compiling() and loop:
        return _settled_by_loop(overlap, alive)
    keep, before = _unsuppressed(alive, overlap, alive), alive
    if loop:  # outside a graph `torch.while_loop` would compile one
        while (keep != before).any():
            keep, before = _unsuppressed(alive, overlap, keep), keep
    else:
        for _ in range(min(_ROUNDS, alive.shape[1]) - 1):
            keep = _unsuppressed(alive, overlap, keep)
    return keep


def _settled_by_loop(overlap: Tensor, alive: Tensor) -> Tensor:
    """Does what `_settled` does, as an operator of a graph."""
    alive = alive.clone(memory_format=torch.contiguous_format)  # the loop keeps strides, and it is a slice

    # What does not change is carried as well: OpenVINO takes no loop that reads anything else.
    def another(keep: Tensor, _: Tensor, overlap: Tensor, alive: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return _unsuppressed(alive, overlap, keep), keep.clone(), overlap.clone(), alive.clone()

    def unsettled(keep: Tensor, before: Tensor, *_: Tensor) -> Tensor:
        return (keep != before).any()

    return torch.while_loop(unsettled, another, another(alive, alive, overlap, alive))[0]


def _unsuppressed(alive: Tensor, overlap: Tensor, keep: Tensor) -> Tensor:
    """`(B, J)`, `(B, I, J)`, `(B, I)` -> `(B, J)`: 1 where j is alive and no kept i overlaps it, else 0."""
    # All are 0 or 1, and so is this: one kept i is enough to take a j to 0 or below.
    return torch.relu(alive - (overlap * keep.unsqueeze(2)).sum(dim=1))


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + 0.5 * size, size
