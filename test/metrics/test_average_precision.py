"""AP against cases that are small enough to work out by hand."""

import numpy as np
import pytest

from seg_ros.classes import ClassMap
from seg_ros.metrics.average_precision import AveragePrecision
from seg_ros.metrics.truth import Truth
from seg_ros.results import Instances
from test.objects import nothing

SIZE = (60, 80)
CLASSES = ClassMap(("road", "car", "person"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), frozenset({1, 2}))
LEFT, RIGHT, THIRD = (5, 5, 25, 25), (40, 5, 60, 25), (5, 32, 25, 52)  # three squares of 20 px, apart


def truth(*objects, ignore=None):
    """Objects are (box, class id)."""
    masks = np.zeros((len(objects), *SIZE), np.uint8)
    for mask, ((x0, y0, x1, y1), _) in zip(masks, objects, strict=True):
        mask[y0:y1, x0:x1] = 1
    return Truth.of(masks, [c for _, c in objects], ignore)


def found(*objects):
    """Objects are (box, class id, score)."""
    boxes = np.array([b for b, _, _ in objects], np.float32).reshape(-1, 4)
    roi = np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1).astype(np.int32)
    return Instances(
        SIZE,
        np.array([c for _, c, _ in objects], np.uint8),
        np.array([s for _, _, s in objects], np.float32),
        boxes,
        roi,
        tuple(np.full((h, w), 255, np.uint8) for _, _, w, h in roi),
    )


def summary(*pictures, classes=CLASSES):
    ap = AveragePrecision(classes)
    for picture in pictures:
        ap.add(*picture)
    return ap.summary()


def test_perfect_is_one(capsys):
    got = summary(
        (truth((LEFT, 1), (RIGHT, 2)), found((LEFT, 1, 0.9), (RIGHT, 2, 0.3))),
        (truth((THIRD, 1)), found((THIRD, 1, 0.5))),
    )
    ap = {"car": 1.0, "person": 1.0}
    assert got == {"mask_ap": 1, "mask_ap50": 1, "mask_ap75": 1, "box_ap": 1, "box_ap50": 1, "box_ap75": 1, "ap": ap}
    assert capsys.readouterr() == ("", "")


def test_shift_passes_the_thresholds_below_its_iou():
    moved = (8, 5, 28, 25)  # 17 of 20 columns are shared: IoU 17 / 23 = 0.739, above 0.50 .. 0.70, five of ten
    got = summary((truth((LEFT, 1)), found((moved, 1, 0.9))))
    assert (got["mask_ap"], got["mask_ap50"], got["mask_ap75"]) == (0.5, 1.0, 0.0)
    assert (got["box_ap"], got["box_ap50"], got["box_ap75"]) == (0.5, 1.0, 0.0)


def test_masks_and_boxes_are_judged_apart():
    pixels = found((LEFT, 1, 0.9))
    half = np.full((20, 20), 255, np.uint8)
    half[:, 11:] = 0  # IoU 11 / 20 = 0.55: reaches 0.50 and 0.55 only
    got = summary((truth((LEFT, 1)), Instances(SIZE, pixels.class_id, pixels.score, pixels.box, pixels.roi, (half,))))
    assert (got["mask_ap"], got["box_ap"]) == (0.2, 1.0)


def test_false_positive_costs_by_its_rank():
    below = summary((truth((LEFT, 1)), found((LEFT, 1, 0.9), (RIGHT, 1, 0.8))))
    assert below["mask_ap"] == 1.0  # full recall comes first
    above = summary((truth((LEFT, 1)), found((RIGHT, 1, 0.9), (LEFT, 1, 0.8))))
    assert above["mask_ap"] == 0.5  # the hit is the second of two


def test_rank_holds_across_pictures():
    got = summary((truth((LEFT, 1)), found((LEFT, 1, 0.2))), (truth(), found((RIGHT, 1, 0.8))))
    assert got["mask_ap"] == 0.5


def test_duplicate_is_a_false_positive():
    got = summary((truth((LEFT, 1), (RIGHT, 1)), found((LEFT, 1, 0.9), (LEFT, 1, 0.8), (RIGHT, 1, 0.7))))
    # Precision 1 up to recall 0.5, that is at 51 of the 101 recalls, then 2 / 3 at the other 50.
    assert got["mask_ap"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-4)


def test_missed_object_bounds_the_recall():
    got = summary((truth((LEFT, 1), (RIGHT, 1)), found((LEFT, 1, 0.9))))
    assert got["mask_ap"] == pytest.approx(51 / 101, abs=1e-4)


def test_ignored_objects_are_neither_hit_nor_miss():
    true = truth((LEFT, 1), (RIGHT, 1), ignore=[False, True])
    assert summary((true, found((LEFT, 1, 0.9))))["mask_ap"] == 1.0  # overlooked
    assert summary((true, found((RIGHT, 1, 0.95), (LEFT, 1, 0.9))))["mask_ap"] == 1.0  # found
    assert summary((true, found((THIRD, 1, 0.95), (LEFT, 1, 0.9))))["mask_ap"] == 0.5  # a plain miss


def test_objects_too_small_to_count_are_misses_among_all_sizes():
    ap, small = AveragePrecision(CLASSES), (40, 5, 45, 10)
    ap.add(truth((LEFT, 1), (small, 1), (THIRD, 1), ignore=[False, False, True]), found((LEFT, 1, 0.9)))
    assert ap.summary()["mask_ap"] == 1.0
    everything = ap.of_all_sizes()
    assert everything.keys() == ap.summary().keys() - {"ap"}
    assert everything["mask_ap"] == everything["box_ap50"] == pytest.approx(51 / 101, abs=1e-4)  # a crowd is none


def test_classes_are_judged_apart():
    got = summary((truth((LEFT, 1), (RIGHT, 2)), found((LEFT, 1, 0.9), (RIGHT, 1, 0.95))))
    assert got["ap"] == {"car": 0.5, "person": 0.0}
    assert got["mask_ap"] == 0.25


def test_class_without_truth_is_none_and_left_out():
    got = summary((truth((LEFT, 1)), found((LEFT, 1, 0.9), (RIGHT, 2, 0.99))))
    assert got["ap"] == {"car": 1.0, "person": None}
    assert got["mask_ap"] == 1.0


@pytest.mark.parametrize(
    ("pictures", "car"),
    [([], None), ([(truth(), found())], None), ([(truth(), found((LEFT, 1, 0.9)))], None),
     ([(truth((LEFT, 1)), found())], 0.0), ([(truth((LEFT, 1), ignore=[True]), found((LEFT, 1, 0.9)))], None)],
)  # fmt: skip
def test_nothing_to_find_or_nothing_found(pictures, car):
    got = summary(*pictures)
    assert got["ap"] == {"car": car, "person": None}
    assert {got[k] for k in got if k != "ap"} == {0.0}


def test_the_hundred_best_of_a_class_count():
    noise = [(RIGHT, 1, 0.9 - i / 1000) for i in range(100)]
    assert summary((truth((LEFT, 1)), found(*noise, (LEFT, 1, 0.1))))["mask_ap"] == 0.0
    assert summary((truth((LEFT, 1)), found(*noise[:99], (LEFT, 1, 0.1))))["mask_ap"] == pytest.approx(0.01)


def test_roi_is_pasted_where_it_lies():
    true = truth((LEFT, 1))
    moved = found((RIGHT, 1, 0.9))
    assert summary((true, moved))["mask_ap"] == 0.0
    assert (moved.box[0] == RIGHT).all()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r"truth of \(60, 80\) px but instances of \(30, 40\) px"):
        AveragePrecision(CLASSES).add(truth((LEFT, 1)), nothing((30, 40)))
