"""From boxes and coarse masks in the network input to masks in the frame."""

import numpy as np
import pytest
import torch

from seg_ros import pasting
from seg_ros.geometry import Resize
from seg_ros.pasting import paste
from seg_ros.results import Selection
from test.models.oracle import torchvision

FULL = np.ones((28, 28), np.float32)
SAME = Resize.of((480, 640), (480, 640), "stretch")


def pasted(boxes, masks=None, resize=SAME, scores=None, class_ids=None, **selection):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    n = len(boxes)
    masks = np.broadcast_to(FULL, (n, 28, 28)) if masks is None else np.asarray(masks, np.float32)
    scores = np.linspace(0.9, 0.6, n, dtype=np.float32) if scores is None else np.array(scores, np.float32)
    class_ids = np.full(n, 8) if class_ids is None else np.array(class_ids)
    return paste(boxes, scores, class_ids, masks, resize, Selection(**selection))


def whole(instances, i=0):
    """The mask of an object over the whole frame, bool."""
    mask = np.zeros(instances.size, bool)
    x, y, width, height = instances.roi[i]
    assert instances.masks[i].shape == (height, width)
    mask[y : y + height, x : x + width] = instances.masks[i] > 0
    return mask


def is_full(mask):
    """255 but for a pixel or a tenth of a cell at each corner, where the mask fades in both directions."""
    return set(np.unique(mask)) <= {0, 255} and (mask == 0).sum() <= max(4, 0.5 * mask.size / 28**2)


def blob(rng, size=28):
    """A smooth random shape that leaves no edge cell."""
    y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    angle = np.arctan2(y, x)
    waves = sum(rng.uniform(-0.12, 0.12) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 5))
    return (1 / (1 + np.exp((np.hypot(x, y) - 0.7 - waves) * 12))).astype(np.float32)


def test_a_full_mask_is_its_box():
    found = pasted([(100, 50, 260, 170), (7, 9, 15, 12), (300, 200, 301, 280)])
    assert found.roi.tolist() == [[100, 50, 160, 120], [7, 9, 8, 3], [300, 200, 1, 80]]
    assert all(is_full(mask) for mask in found.masks)
    assert [m.dtype for m in found.masks] == [np.uint8] * 3
    assert (found.roi.dtype, found.box.dtype, found.score.dtype, found.class_id.dtype) == (
        np.int32, np.float32, np.float32, np.uint8,
    )  # fmt: skip
    assert found.size == (480, 640)


def test_a_pixel_belongs_to_the_box_that_covers_its_centre():
    found = pasted([(10.4, 20.6, 30.4, 40.6)])
    assert found.roi.tolist() == [[10, 21, 20, 20]]
    np.testing.assert_allclose(found.box, [[10.4, 20.6, 30.4, 40.6]], rtol=1e-6)


@pytest.mark.parametrize(
    ("frame", "mode", "box", "roi"),
    [
        ((960, 1280), "stretch", (10, 20, 30, 50), (20, 40, 40, 60)),
        ((240, 640), "stretch", (10, 20, 30, 50), (10, 10, 20, 15)),
        ((720, 1280), "letterbox", (10, 80, 30, 110), (20, 40, 40, 60)),  # 640 x 360 with 60 rows of grey above
        ((720, 1280), "letterbox", (10, 20, 30, 110), (20, 0, 40, 100)),  # half on the grey
        ((720, 1280), "letterbox", (600, 400, 640, 480), (1200, 680, 80, 40)),
        ((333, 777), "native", (700, 300, 777, 333), (700, 300, 77, 33)),
    ],
)
def test_a_full_mask_is_its_box_in_every_fit(frame, mode, box, roi):
    found = pasted([box], resize=Resize.of(frame, (480, 640), mode))
    assert found.size == frame
    assert found.roi.tolist() == [list(roi)]
    assert is_full(found.masks[0])
    x, y, width, height = roi
    np.testing.assert_allclose(found.box, [[x, y, x + width, y + height]], atol=1e-3)


def test_a_box_that_leaves_the_frame_is_cut_not_squeezed():
    # The upper half of the box is grey of the letterbox; the object is in the box's lower quarter.
    mask = np.zeros((28, 28), np.float32)
    mask[21:] = 1
    found = pasted([(100, 20, 156, 100)], [mask], Resize.of((720, 1280), (480, 640), "letterbox"))
    assert found.roi.tolist() == [[200, 40, 112, 40]]  # rows 80 to 100 of the input


def test_an_object_wholly_on_the_grey_is_none():
    assert len(pasted([(100, 5, 150, 50)], resize=Resize.of((720, 1280), (480, 640), "letterbox"))) == 0


def test_half_a_mask():
    mask = np.zeros((28, 28), np.float32)
    mask[:, :14] = 1
    found = pasted([(100, 50, 212, 106)], [mask])
    assert found.roi.tolist() == [[100, 50, 56, 56]]


@pytest.mark.parametrize("seed", range(10))
def test_agrees_with_torchvision(seed):
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(-30, (600, 440), (8, 2)), rng.uniform(20, 250, (8, 2))
    boxes = np.concatenate((corner, np.minimum(corner + size, (640, 480))), 1).astype(np.float32)
    boxes = boxes[((boxes[:, 2:] - boxes[:, :2]) >= 20).all(axis=1)]
    masks = np.stack([blob(rng) for _ in boxes])
    paste_masks = torchvision().models.detection.roi_heads.paste_masks_in_image
    theirs = paste_masks(torch.from_numpy(masks)[:, None], torch.from_numpy(boxes), (480, 640))[:, 0].numpy() >= 0.5
    found = pasted(boxes, masks)
    seen = [i for i in range(len(boxes)) if theirs[i].any()]
    assert len(found) == len(seen) >= 4
    for i, j in enumerate(seen):
        ours = whole(found, i)
        # They widen a box to whole pixels and one more.
        assert (ours & theirs[j]).sum() / (ours | theirs[j]).sum() > 0.9
        x, y, width, height = found.roi[i]
        assert theirs[j].sum() > 0
        assert ours.sum() == (found.masks[i] > 0).sum()
        assert ours[y].any() and ours[y + height - 1].any() and ours[:, x].any() and ours[:, x + width - 1].any()  # noqa: PT018


@pytest.mark.parametrize("box", [(0, 0, 1920, 1080), (0.7, 0.4, 1919.1, 1079.2), (-37.2, 300.9, 901.6, 1400.3)])
def test_edges_of_large_masks_are_exact(box):
    mask, frame = blob(np.random.default_rng(7)), Resize.of((1080, 1920), (1080, 1920), "stretch")
    x0, y0, x1, y1 = np.float32(box).astype(float)

    def places(count, start, end):  # of the pixels' centres among the cells of the mask with a rim of 0
        return np.clip((np.arange(count) + 0.5 - start) / (end - start) * 28 + 0.5, 0, 29 - 1e-9)

    y, x = places(1080, y0, y1)[:, None], places(1920, x0, x1)[None]
    i, j, rim = y.astype(int), x.astype(int), np.pad(mask, 1).astype(float)
    upper = rim[i, j] * (1 - (x - j)) + rim[i, j + 1] * (x - j)
    lower = rim[i + 1, j] * (1 - (x - j)) + rim[i + 1, j + 1] * (x - j)
    exact = upper * (1 - (y - i)) + lower * (y - i)
    found = whole(pasted([box], [mask], frame))
    assert (found ^ (exact >= 0.5)).sum() <= 2  # where the value is 0.5 but for a rounding


def test_mask_threshold():
    ramp = np.tile(np.linspace(0, 1, 28, dtype=np.float32), (28, 1))
    areas = [whole(pasted([(0, 0, 280, 280)], [ramp], mask_threshold=t)).sum() for t in (0.2, 0.5, 0.8)]
    for area, share in zip(areas, (0.8, 0.5, 0.2), strict=True):
        assert area / 280**2 == pytest.approx(share, abs=0.03)


def test_score_threshold_and_empty_slots():
    scores = [0.9, 0.5, 0.49, 0.0, 0.0]
    boxes = [(0, 0, 20, 20)] * 5
    assert pasted(boxes, scores=scores, score_threshold=0.5).score.tolist() == pytest.approx([0.9, 0.5])
    assert len(pasted(boxes, scores=scores, score_threshold=0.0)) == 3


def test_faint_objects_are_found_where_they_are_wanted_and_not_counted_as_cut_off():
    scores = [0.9, 0.6, 0.4, 0.2, 0.05]
    boxes = [(0, 0, 20, 20)] * 5
    faint = pasted(boxes, scores=scores, score_threshold=0.5, faint_score=0.1)
    assert faint.score.tolist() == pytest.approx(scores[:4])
    assert len(pasted(boxes, scores=scores, score_threshold=0.05, faint_score=0.1)) == 5
    few = pasted(boxes, scores=scores, score_threshold=0.5, faint_score=0.1, max_detections=1)
    assert (len(few), few.capped) == (1, 1)


def test_class_filter():
    found = pasted([(0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 49, 9)], class_ids=[8, 9, 8], classes=frozenset({9, 10}))
    assert found.class_id.tolist() == [9]
    assert found.roi.tolist() == [[20, 0, 9, 9]]
    assert len(pasted([(0, 0, 9, 9)], classes=frozenset())) == 0


def test_the_best_stay_and_the_others_are_counted():
    boxes = [(10 * i, 0, 10 * i + 9, 9) for i in range(5)]
    found = pasted(boxes, max_detections=2)
    assert (len(found), found.capped) == (2, 3)
    assert found.roi[:, 0].tolist() == [0, 10]
    assert pasted(boxes, max_detections=5).capped == 0


def test_an_object_without_pixels_is_dropped_and_takes_no_place():
    boxes = [(0, 0, 9, 9), (20, 0, 29, 9), (40, 0, 40, 9), (60, 0, 69, 9)]
    found = pasted(boxes, [FULL * 0.4, FULL, FULL, FULL], max_detections=2)
    assert found.roi[:, 0].tolist() == [20, 60]
    assert found.capped == 0
    np.testing.assert_allclose(found.score, [0.8, 0.6])
    assert len(pasted([(10, 10, 20, 20)], [FULL * np.nan])) == 0


def test_nothing_found():
    found = pasted([])
    assert (len(found), found.capped) == (0, 0)
    assert (found.box.shape, found.roi.shape, found.masks) == ((0, 4), (0, 4), ())
    assert not found.ids().any()


def test_an_object_of_one_pixel():
    corner = pasted([(639.3, 479.3, 640.0, 480.0)], mask_threshold=0.1)
    assert corner.roi.tolist() == [[639, 479, 1, 1]]
    assert corner.masks[0].tolist() == [[255]]
    tiny = pasted([(0, 0, 64, 48)], resize=Resize.of((1, 1), (48, 64), "stretch"))
    assert tiny.roi.tolist() == [[0, 0, 1, 1]]


def test_an_object_on_the_grey_of_a_letterbox_is_none():
    resize = Resize.of((720, 1280), (480, 640), "letterbox")
    result = pasted([(100, 20, 300, resize.top)], resize=resize, mask_threshold=0.05)
    assert len(result) == 0


def test_what_is_cut_off_is_not_pasted(monkeypatch):
    calls, paste_one = [], pasting._paste
    monkeypatch.setattr(pasting, "_paste", lambda *arguments: calls.append(arguments) or paste_one(*arguments))
    result = pasted([(10 * i, 10, 10 * i + 8, 30) for i in range(20)], max_detections=3)
    assert (len(result), result.capped, len(calls)) == (3, 17, 3)
