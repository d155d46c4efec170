"""mIoU and pixel accuracy against counting by hand."""

import numpy as np
import pytest

from seg_ros.classes import ClassMap
from seg_ros.metrics.confusion import Confusion

CLASSES = ClassMap(("a", "b", "c"), ((0, 0, 0),) * 3)


def test_against_sets_of_pixels():
    rng = np.random.default_rng(0)
    confusion = Confusion(3)
    truths, labels = rng.choice([0, 1, 2, 255], (2, 4, 30, 40)).astype(np.uint8)
    for truth, label in zip(truths, labels, strict=True):
        confusion.add(truth, label)
    valid = truths != 255
    for c in range(3):
        hit = (valid & (truths == c) & (labels == c)).sum()
        union = (valid & ((truths == c) | (labels == c))).sum()
        assert confusion.iou()[c] == pytest.approx(hit / union)
    assert confusion.pixel_accuracy() == pytest.approx((truths == labels)[valid].mean())
    assert confusion.miou() == pytest.approx(confusion.iou().mean())


def test_unlabelled_prediction_is_a_miss():
    confusion = Confusion(3)
    confusion.add(np.zeros((1, 4), np.uint8), np.array([[0, 0, 0, 255]], np.uint8))
    assert confusion.iou()[0] == 0.75
    assert confusion.pixel_accuracy() == 0.75


def test_absent_class_does_not_count():
    confusion = Confusion(3)
    confusion.add(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8))
    assert confusion.summary(CLASSES) == {
        "miou": 1.0,
        "pixel_accuracy": 1.0,
        "iou": {"a": 1.0, "b": None, "c": None},
    }


def test_nothing_counted_is_zero():
    assert Confusion(3).miou() == 0.0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        Confusion(3).add(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))
