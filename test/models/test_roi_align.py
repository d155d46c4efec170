"""RoIAlign against the definition, number by number."""

import math

import pytest
import torch

from seg_ros.models.roi_align import roi_align

SIZES = [(16, 20), (8, 10), (4, 5), (2, 3)]  # of an input of 64 x 80; the last is no exact half
IMAGE, CANONICAL = (64, 80), 32.0


def bilinear(feature, y, x):
    """One number of `feature` (H, W) at a point, as torchvision's C++ kernel interpolates it."""
    height, width = feature.shape
    if y < -1.0 or y > height or x < -1.0 or x > width:
        return 0.0
    y, x = max(y, 0.0), max(x, 0.0)
    y0, x0 = int(y), int(x)
    if y0 >= height - 1:
        y0 = y1 = height - 1
        y = float(y0)
    else:
        y1 = y0 + 1
    if x0 >= width - 1:
        x0 = x1 = width - 1
        x = float(x0)
    else:
        x1 = x0 + 1
    dy, dx = y - y0, x - x0
    top = feature[y0, x0] * (1 - dx) + feature[y0, x1] * dx
    bottom = feature[y1, x0] * (1 - dx) + feature[y1, x1] * dx
    return float(top * (1 - dy) + bottom * dy)


def level_of(box):
    x0, y0, x1, y1 = box
    size = math.sqrt((x1 - x0) * (y1 - y0))
    return 0 if size == 0 else min(max(math.floor(2 + math.log2(size / CANONICAL) + 1e-6), 0), 3)


def reference(feature, box, stride, bins):
    """`bins` x `bins` of one channel: means of 2 x 2 samples a bin; sampling_ratio 2, aligned=False."""
    x0, y0, x1, y1 = (v / stride for v in box)
    height, width = max(y1 - y0, 1.0) / bins, max(x1 - x0, 1.0) / bins
    out = torch.zeros(bins, bins)
    for i in range(bins):
        for j in range(bins):
            out[i, j] = (
                sum(
                    bilinear(feature, y0 + (i + (a + 0.5) / 2) * height, x0 + (j + (b + 0.5) / 2) * width)
                    for a in range(2)
                    for b in range(2)
                )
                / 4
            )
    return out


def pyramid(batch, channels=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, channels, *size, generator=generator) for size in SIZES]


def check(boxes, bins):
    features = pyramid(len(boxes))
    ours = roi_align(features, boxes, IMAGE, bins, CANONICAL)
    assert ours.shape == (boxes.shape[0] * boxes.shape[1], 3, bins, bins)
    levels = set()
    for i, image in enumerate(boxes.tolist()):
        for j, box in enumerate(image):
            level = level_of(box)
            levels.add(level)
            for channel in range(3):
                expected = reference(features[level][i, channel], box, 4 * 2**level, bins)
                found = ours[i * len(image) + j, channel]
                torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)
    return levels


def test_boxes_of_all_sizes_in_a_batch():
    generator = torch.Generator().manual_seed(0)
    centre = torch.rand(2, 12, 2, generator=generator) * torch.tensor([80.0, 64.0])
    half = torch.exp(torch.rand(2, 12, 2, generator=generator) * 3.2 + 0.5) / 2
    assert check(torch.cat((centre - half, centre + half), dim=2), 3) == {0, 1, 2}
    large = torch.tensor([[[2.0, 3, 40, 50], [1, 2, 79, 63], [-20, -30, 80, 90], [0, 0, 80, 64]]])
    assert check(large, 7) == {2, 3}


def test_boxes_that_leave_the_picture():
    # More than one feature outside counts 0, less takes the border; the far side likewise.
    check(
        torch.tensor(
            [[[-30.0, -20, 10, 9], [70, 50, 110, 90], [-3, -3, 2, 2], [78, 62, 84, 68], [200, 200, 220, 220]]]
        ),
        2,
    )


def test_samples_exactly_at_the_limits():
    # Their first sample lies at feature (-1, -1), and at (16, 20) of 16 x 20: both count.
    check(torch.tensor([[[-5.0, -5, -5, -5], [79, 63, 79, 63]]]), 1)


def test_thin_and_empty_boxes():
    # A side of less than one feature is taken as one.
    check(torch.tensor([[[10.0, 10, 10, 10], [5, 5, 6, 60], [3, 30, 77, 30.5], [0, 0, 0, 0], [80, 64, 80, 64]]]), 2)


@pytest.mark.parametrize(
    ("side", "level"), [(8, 0), (15.99, 0), (15.999999, 1), (16, 1), (31.9, 1), (32, 2), (63.9, 2), (64, 3), (79, 3)]
)
def test_level_by_size(side, level):
    # Each level holds its own number; a box sees one level alone.
    features = [torch.full((1, 1, *size), float(i)) for i, size in enumerate(SIZES)]
    box = torch.tensor([[[0.0, 0, side, side]]])
    assert roi_align(features, box, IMAGE, 1, CANONICAL)[0, 0, 0, 0] == level


def test_every_feature_gets_its_share_of_the_gradient():
    features = [f.requires_grad_() for f in pyramid(1, channels=1)]
    box = torch.tensor([[[12.0, 8, 40, 36]]])  # level 1, features (1.5, 1) to (5, 4.5)
    roi_align(features, box, IMAGE, 4, CANONICAL).sum().backward()
    assert features[1].grad.sum().item() == pytest.approx(16, abs=1e-4)  # weights of a bin sum to 1
    touched = features[1].grad[0, 0].nonzero()
    assert (touched.amin(0).tolist(), touched.amax(0).tolist()) == ([1, 1], [5, 5])
    assert all(not f.grad.any() for i, f in enumerate(features) if i != 1)


def test_half_precision_features():
    boxes = torch.tensor([[[3.0, 4, 50, 40], [9, 9, 20, 30]]])
    full = roi_align(pyramid(1), boxes, IMAGE, 7, CANONICAL)
    half = roi_align([f.bfloat16() for f in pyramid(1)], boxes, IMAGE, 7, CANONICAL)
    assert half.dtype == torch.bfloat16
    assert (half - full).abs().max() < 0.05


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3e38])
def test_no_box_is_an_index_outside(bad):
    good = torch.tensor([3.0, 4, 50, 40])
    boxes = good.repeat(1, 6, 1)
    boxes[0, range(1, 5), range(4)] = bad
    boxes[0, 5] = bad
    found = roi_align(pyramid(1), boxes, IMAGE, 7, CANONICAL)
    assert torch.equal(found[:1], roi_align(pyramid(1), boxes[:, :1], IMAGE, 7, CANONICAL))
    assert found.shape == (6, 3, 7, 7)


def test_no_boxes():
    assert roi_align(pyramid(1), torch.zeros(1, 0, 4), IMAGE, 7, CANONICAL).shape == (0, 3, 7, 7)
