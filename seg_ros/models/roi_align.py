"""RoIAlign over a feature pyramid, from gathers and bilinear weights: no operator of its own, static shapes.

He, Gkioxari, Dollar, Girshick: Mask R-CNN, ICCV 2017, section 3; the level of a RoI by Lin et al.: Feature
Pyramid Networks, CVPR 2017, equation 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seg_ros.models.boxes import area, bounded, constants

_SAMPLES = 2
"""Sampling points of a bin in each direction, as in torchvision's detectors."""


def roi_align(
    features: list[Tensor], boxes: Tensor, image_size: tuple[int, int], bins: int, canonical: float
) -> Tensor:
    """Resamples the features inside each box to `bins` x `bins`.

    Args:
        features: `(N, C, H_l, W_l)` each, every level of half the resolution of the one before.
        boxes: `(N, R, 4)` in pixels of the input, R boxes of each image.
        image_size: `(H, W)` of the input that the features cover.
        bins: of the result, in each direction.
        canonical: size in pixels of a box that belongs to the third level; one of half that size to the second.

    Returns:
        `(N * R, C, bins, bins)`.
    """
    device = boxes.device
    sizes = [f.shape[-2:] for f in features]
    # All levels as rows of C features in one table, image by image, so that one gather serves boxes of any level, and
    # no number but the image's own depends on how many images there are.
    table = torch.cat([f.permute(0, 2, 3, 1).flatten(1, 2) for f in features], dim=1).flatten(0, 1)
    pixels = [h * w for h, w in sizes]
    starts = constants([sum(pixels[:i]) for i in range(len(pixels))], device)
    heights = constants([h for h, _ in sizes], device)
    widths = constants([w for _, w in sizes], device)
    # Levels are powers of two apart; a rounded ratio stays right where a side is no multiple of the stride.
    stride = round(image_size[0] / sizes[0][0])
    scales = constants([1.0 / (stride * 2**i) for i in range(len(sizes))], device)

    level = torch.floor(2 + torch.log2(area(boxes).sqrt() / canonical) + 1e-6)
    level = bounded(level, len(features) - 1).long()  # (N, R); an empty box (log of 0) goes to the first
    height, width = heights[level], widths[level]
    corners = boxes * scales[level].unsqueeze(-1)
    x0, y0, x1, y1 = corners.unbind(-1)
    rows, row_weights = _samples(y0, (y1 - y0).clamp(min=1.0), height, bins)  # (N, R, bins, 4) each
    columns, column_weights = _samples(x0, (x1 - x0).clamp(min=1.0), width, bins)
    image = torch.arange(boxes.shape[0], device=device).view(-1, 1)
    first = (starts[level] + image * sum(pixels)).view(*level.shape, 1, 1)
    total = None
    for i in range(rows.shape[-1]):
        line = first + rows[..., i].unsqueeze(-1) * width.view(*level.shape, 1, 1)
        for j in range(columns.shape[-1]):
            place = line + columns[..., j].unsqueeze(-2)  # (N, R, bins, bins)
            weight = row_weights[..., i].unsqueeze(-1) * column_weights[..., j].unsqueeze(-2)
            term = table.index_select(0, place.flatten()).float() * weight.flatten().unsqueeze(-1)
            total = term if total is None else total + term
    count = boxes.shape[0] * boxes.shape[1]
    return total.to(table.dtype).view(count, bins, bins, table.shape[1]).permute(0, 3, 1, 2)


def _samples(start: Tensor, length: Tensor, size: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Returns where a bin is sampled along one axis: feature indices and weights, `(N, R, bins, 2 * _SAMPLES)` each.

    Points more than one feature outside count nothing, nor do those that are NaN; those closer take the border, as in
    the original.
    """
    steps = torch.arange(bins * _SAMPLES, device=start.device, dtype=start.dtype)
    # In this order of operations, so that rounding agrees with torchvision's kernel.
    step = (length / bins).unsqueeze(-1)
    within = torch.remainder(steps, _SAMPLES) + 0.5
    points = start.unsqueeze(-1) + torch.floor(steps / _SAMPLES) * step + within * step / _SAMPLES
    last = (size - 1).unsqueeze(-1)
    inside = (points >= -1.0) & (points <= size.unsqueeze(-1))
    points = bounded(points, last.to(points.dtype))
    low = points.floor().long()
    high = torch.minimum(low + 1, last)
    fraction = points - low
    share = inside.to(points.dtype) / _SAMPLES
    indices = torch.stack((low, high), dim=-1)
    weights = torch.stack(((1.0 - fraction) * share, fraction * share), dim=-1)
    shape = (*start.shape, bins, 2 * _SAMPLES)
    return indices.reshape(shape), weights.reshape(shape)
