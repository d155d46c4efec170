"""torchvision as the oracle of the parity tests. Nothing else imports it."""

import functools
import sys

import pytest
import torch

from benchmarks.baselines import import_torchvision


@functools.cache
def torchvision():
    """The module. Beside a CPU build of PyTorch its C++ operators do not load; what they do is done in Python."""
    module = import_torchvision()
    if module is None:
        pytest.skip("torchvision is not installed")
    if module.extension._has_ops():
        return module
    library = torch.library.Library("torchvision", "IMPL")
    library.impl("nms", nms, "CPU")
    module.library = library  # an operator lives as long as its library
    # Boxes' functions ask whether the C++ operators are there; nms is now, and RoIAlign has a version in Python, which
    # runs as it is: compiling it takes longer than these tests.
    boxes, align = module.ops.boxes, sys.modules["torchvision.ops.roi_align"]
    boxes._assert_has_ops = lambda: None
    align._roi_align = align._roi_align.__wrapped__
    align._bilinear_interpolate = _nothing_outside(align._bilinear_interpolate)
    # Of its two ways to suppress by class the exact one, which it takes for more boxes than a test has: the other
    # moves classes apart by adding to the coordinates, and rounds the overlap of thin boxes.
    boxes._batched_nms_coordinate_trick = boxes._batched_nms_vanilla
    return module


def _nothing_outside(interpolate):
    """Samples more than one pixel outside the map count 0, as in torchvision's C++ and CUDA kernels.

    Its Python version takes the border for them, which shows at RoIs of less than one feature at the edge.
    """

    def interpolated(features, image, y, x, *masks):
        height, width = features.shape[-2:]
        rows, columns = (y >= -1) & (y <= height), (x >= -1) & (x <= width)  # (K, bins, samples)
        inside = rows[:, None, :, None, :, None] & columns[:, None, None, :, None, :]
        return interpolate(features, image, y, x, *masks) * inside

    return interpolated


def nms(boxes: torch.Tensor, scores: torch.Tensor, threshold: float) -> torch.Tensor:
    """Greedy suppression as the textbook has it: a loop from best to worst. Indices of what stays."""
    order = scores.argsort(descending=True, stable=True)
    boxes = boxes[order]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    overlap = (high - low).clamp(min=0).prod(dim=2)
    harms = overlap / (area[:, None] + area[None] - overlap) > threshold
    alive = torch.ones(len(boxes), dtype=torch.bool)
    for i in range(len(boxes)):
        if alive[i]:
            alive[i + 1 :] &= ~harms[i, i + 1 :]
    return order[alive]
