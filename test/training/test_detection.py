"""What Mask R-CNN minimises: which boxes count as what, and that minimising it finds objects."""

import statistics

import pytest
import torch

from seg_ros.models.boxes import iou
from seg_ros.models.mask_rcnn import mask_rcnn
from seg_ros.training.detection import Targets, mask_targets, match
from test.conftest import SMALL_INSTANCE

SIZE = (64, 96)


def target(*boxes, things=None, ignore=None, size=SIZE):
    """Objects that fill their boxes of whole numbers."""
    masks = torch.zeros(len(boxes), *size, dtype=torch.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = 1
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "things": torch.tensor(things if things is not None else [1] * len(boxes), dtype=torch.int64),
        "masks": masks,
        "ignore": torch.tensor(ignore if ignore is not None else [False] * len(boxes), dtype=torch.bool),
    }


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    return mask_rcnn(**(SMALL_INSTANCE | {"things": 2} | changes)).train()


def matches(boxes, target, on=0.7, off=0.3, nearest=False):
    return match(torch.tensor(boxes, dtype=torch.float32), target, on, off, nearest).tolist()


def test_match_by_overlap():
    objects = target((0, 0, 20, 20), (40, 0, 60, 20))
    boxes = [(0, 0, 20, 20), (40, 0, 60, 16), (40, 0, 60, 12), (40, 0, 60, 4), (70, 30, 80, 40)]
    assert matches(boxes, objects) == [0, 1, -2, -1, -1]  # 1, 0.8, 0.6 in between, 0.2, 0
    assert matches(boxes, objects, on=0.5, off=0.5) == [0, 1, 1, -1, -1]


def test_a_box_goes_to_the_object_it_overlaps_most():
    objects = target((0, 0, 20, 20), (4, 0, 24, 20))
    assert matches([(1, 0, 21, 20), (3, 0, 23, 20)], objects) == [0, 1]


def test_every_object_gets_its_nearest_boxes():
    objects = target((0, 0, 20, 20), (40, 0, 60, 20))
    boxes = [(0, 0, 20, 20), (44, 0, 64, 4), (40, 0, 50, 8), (50, 0, 60, 8), (80, 0, 90, 9)]
    assert matches(boxes, objects) == [0, -1, -1, -1, -1]
    assert matches(boxes, objects, nearest=True) == [0, -1, 1, 1, -1]  # two share the largest overlap
    assert matches([(80, 0, 90, 9)], objects, nearest=True) == [-1]  # none overlaps: none is near


def test_boxes_on_ignored_objects_do_not_count():
    objects = target((0, 0, 20, 20), (40, 0, 80, 40), ignore=[False, True])
    boxes = [(0, 0, 20, 20), (42, 2, 52, 12), (30, 0, 46, 10), (20, 30, 30, 40)]
    assert matches(boxes, objects) == [0, -2, -1, -1]  # inside the crowd; 6 of its 16 columns; outside
    only = target((40, 0, 80, 40), ignore=[True])
    assert matches(boxes, only, nearest=True) == [-1, -2, -1, -1]


def test_an_object_within_a_crowd_is_still_one():
    objects = target((40, 0, 80, 40), (50, 10, 60, 20), ignore=[True, False])
    assert matches([(50, 10, 60, 20), (62, 22, 70, 30)], objects) == [1, -2]


def test_no_objects_no_match():
    assert matches([(0, 0, 5, 5)], target(), nearest=True) == [-1]


@pytest.mark.parametrize(
    "targets",
    [
        [target(), target()],
        [target((0, 0, 96, 64), ignore=[True]), target((0, 0, 96, 64), ignore=[True])],
        [target((0, 0, 96, 64), ignore=[True])],
        [target((10, 10, 40, 40))],
        [target(), target((10, 10, 11, 11), things=[2])],
        [target((10, 10, 40, 40)), target((0, 0, 96, 64), ignore=[True]), target()],
    ],
    ids=["empty", "only crowds", "one crowd", "one", "one pixel", "mixed"],
)
@pytest.mark.parametrize("norm", [True, False])
def test_losses_are_finite(targets, norm):
    model = tiny(norm=norm)
    losses = model(torch.randn(len(targets), 3, *SIZE), Targets(targets))
    assert list(losses) == ["objectness", "proposal_box", "classification", "box", "mask"]
    assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values()), losses
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    assert all(b.isfinite().all() for b in model.buffers())
    found = any((~t["ignore"]).any() for t in targets)
    assert (losses["mask"] > 0) == (losses["box"] > 0) == (losses["proposal_box"] > 0) == found


@pytest.mark.parametrize("norm", [True, False])
def test_every_parameter_gets_a_gradient(norm):
    model = tiny(norm=norm)
    targets = [target((10, 10, 40, 40), (50, 20, 62, 60), things=[1, 2]), target((5, 5, 20, 50))]
    sum(model(torch.randn(2, 3, *SIZE), Targets(targets)).values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_overfits_a_picture():
    model, size = tiny(channels=24, width=0.25), (64, 64)
    objects = target((6, 8, 30, 32), (38, 30, 58, 54), things=[1, 2], size=size)
    image = -torch.ones(1, 3, *size)
    image[:, :, 8:32, 6:30], image[:, 0, 30:54, 38:58] = 1.0, 2.0
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    history = []
    for _ in range(60):
        losses = model(image, Targets([objects]))
        sum(losses.values()).backward()
        optimiser.step()
        optimiser.zero_grad()
        history.append({name: loss.item() for name, loss in losses.items()})
    for name in ("objectness", "classification", "mask"):
        late = statistics.median(losses[name] for losses in history[-20:])  # single steps of random RoIs jump
        assert late < 0.3 * history[0][name], name
    with torch.no_grad():
        found = model.eval()(image)
    for i, thing in enumerate((1, 2)):
        best = (found["things"][0] == thing).nonzero()[0, 0]
        assert found["scores"][0, best] > 0.5
        assert iou(found["boxes"][0, best][None], objects["boxes"][i][None]) > 0.3


def test_mask_targets_of_a_full_box():
    full = mask_targets(target((10, 20, 38, 48))["masks"], torch.tensor([[10.0, 20, 38, 48]]))
    assert full.shape == (1, 28, 28)
    # Samples lie a quarter of a cell from the edge, where half the weight is of the pixel outside.
    assert (full[:, 1:-1, 1:-1] == 1).all()
    assert (full >= 0.5).all()


def test_mask_targets_are_the_pixels_of_the_box():
    # One cell a pixel: cell (i, j) shows pixel (y0 + i, x0 + j), smoothed by its neighbours alike on both sides.
    mask = torch.zeros(1, *SIZE, dtype=torch.uint8)
    mask[0, 30, 24] = 1
    cells = mask_targets(mask, torch.tensor([[10.0, 20, 38, 48]]))[0]
    assert cells[10, 14] == cells.max()
    assert cells[9, 14] == cells[11, 14] == cells[10, 13] == cells[10, 15]


def test_mask_targets_of_a_part():
    # The left half of a box of 56 x 28 pixels.
    halves = mask_targets(target((10, 20, 38, 48))["masks"], torch.tensor([[10.0, 20, 66, 48]]))[0]
    assert (halves[1:-1, 1:13] == 1).all()
    assert (halves[:, 14:] <= 0.25).all()
    assert ((halves >= 0.5).sum(dim=1) == 14).all()
