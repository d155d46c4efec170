"""Labels from logits of lower resolution are what upsampling, soft-max and arg-max give."""

import pytest
import torch
import torch.nn.functional as F

from seg_ros.models import labels
from seg_ros.models.labels import label_and_confidence


def plain(logits, size):
    upsampled = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False)
    best = upsampled.softmax(1).topk(2, dim=1)
    return best.indices[:, 0], best.values[:, 0] * 255, best.values[:, 0] - best.values[:, 1] < 1e-5


CASES = {
    "as large": (11, (12, 17), (12, 17)),
    "twice": (11, (12, 17), (24, 34)),
    "eight times": (3, (6, 7), (48, 56)),
    "no whole factor": (5, (6, 7), (45, 50)),
    "other factors each way": (5, (6, 7), (12, 21)),
    "many classes": (labels._UNROLLED + 1, (6, 7), (12, 14)),
    "two classes": (2, (1, 1), (4, 4)),
}


FORMS = pytest.mark.parametrize("portable", [False, True], ids=["for CPUs", "portable"])


@FORMS
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_winner_and_its_probability(case, dtype, layout, portable):
    classes, small, size = CASES[case]
    logits = 3 * torch.randn(2, classes, *small, generator=torch.Generator().manual_seed(0))
    logits = logits.to(dtype).to(memory_format=layout)
    label, confidence = label_and_confidence(logits, size, portable)
    winner, probability, tie = plain(logits, size)
    assert (label.dtype, confidence.dtype) == (torch.uint8, torch.uint8)
    assert label.shape == confidence.shape == (2, *size)
    assert torch.equal(label[~tie], winner[~tie].to(torch.uint8))
    assert tie.float().mean() < 0.01
    assert (confidence - probability).abs().max() <= 0.51


@FORMS
@pytest.mark.parametrize("case", CASES)
def test_what_is_wanted_is_cut_from_the_top_left(case, portable):
    classes, small, size = CASES[case]
    logits = torch.randn(2, classes, *small, generator=torch.Generator().manual_seed(0))
    cut = (size[0] - 1, size[1] - 3)
    for part, whole in zip(
        label_and_confidence(logits, size, portable, cut), label_and_confidence(logits, size, portable), strict=True
    ):
        assert torch.equal(part, whole[:, : cut[0], : cut[1]])


@FORMS
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_finite_is_unlabelled(case, bad, portable):
    classes, small, size = CASES[case]
    logits = torch.zeros(1, classes, *small)
    logits[:] = bad
    label, confidence = label_and_confidence(logits, size, portable)
    assert (label == 255).all()
    assert (confidence == 0).all()


@FORMS
def test_one_bad_pixel_spoils_only_its_neighbours(portable):
    logits = torch.zeros(1, 3, 8, 8)
    logits[0, 1] = 1
    logits[0, 0, 4, 4] = float("nan")
    label, _ = label_and_confidence(logits, (16, 16), portable)
    assert (label[0, 7:11, 7:11] == 255).all()
    assert (label == 255).sum() <= 36
    assert (label[0, :6] == 1).all()
