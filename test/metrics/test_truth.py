"""The objects of a picture: from label and instance images, tight boxes, what is too small to be judged."""

import numpy as np
import pytest

from seg_ros.classes import CAMVID
from seg_ros.metrics.truth import MIN_PIXELS, Truth, blank_masks
from seg_ros.scenes import Street


def test_objects_of_two_images():
    instance = np.zeros((40, 50), np.uint16)
    label = np.full((40, 50), 3, np.uint8)
    instance[2:12, 3:10], label[2:12, 3:10] = 700, 8  # a car
    instance[0:6, 30:50], label[0:6, 30:50] = 65535, 9  # a pedestrian at the edge
    instance[20:30, 20:30], label[20:30, 20:30] = 5, 3  # road: no thing
    instance[35, 0:4], label[35, 0:4] = 6, 10  # four pixels of a bicyclist
    label[2, 3] = 9  # one stray pixel does not change the car's class
    truth = Truth.from_images(label, instance, CAMVID.things)
    assert truth.class_id.tolist() == [10, 8, 9]  # by id: 6, 700, 65535
    assert truth.ignore.tolist() == [True, False, False]
    assert truth.boxes().tolist() == [[0, 35, 4, 36], [3, 2, 10, 12], [30, 0, 50, 6]]
    assert (truth.masks.dtype, truth.class_id.dtype, truth.boxes().dtype) == (np.uint8, np.int64, np.float32)
    for mask, number in zip(truth.masks, (6, 700, 65535), strict=True):
        assert np.array_equal(mask, instance == number)


def test_picture_without_objects():
    truth = Truth.from_images(np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint16), CAMVID.things)
    assert (len(truth), truth.masks.shape, truth.boxes().shape) == (0, (0, 4, 5), (0, 4))


def test_street_comes_back_whole():
    scene = Street(20000, (240, 320)).scene(0)
    truth = Truth.from_images(scene.label, scene.instance, CAMVID.things)
    assert len(truth) == len(np.unique(scene.instance)) - 1 > 3
    assert np.array_equal(truth.masks.sum(axis=0), scene.instance > 0)
    for mask, class_id in zip(truth.masks, truth.class_id, strict=True):
        assert (scene.label[mask > 0] == class_id).all()


def test_small_is_ignored_and_empty_is_dropped():
    masks = np.zeros((3, 10, 10), np.uint8)
    masks[0].flat[:MIN_PIXELS] = 1
    masks[1].flat[: MIN_PIXELS - 1] = 1
    truth = Truth.of(masks, [0, 1, 2])
    assert (truth.class_id.tolist(), truth.ignore.tolist()) == ([0, 1], [False, True])
    assert Truth.of(masks, [0, 1, 2], [True, False, False]).ignore.tolist() == [True, True]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"label \(4, 5\) and instance \(5, 4\) differ"):
        Truth.from_images(np.zeros((4, 5), np.uint8), np.zeros((5, 4), np.uint16), CAMVID.things)


def test_masks_that_no_memory_holds_are_refused():
    with pytest.raises(ValueError, match=r"at most 2 objects in a picture of \(30000, 30000\) px, got 3; cut it"):
        blank_masks(3, (30_000, 30_000))
    ids = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
    with pytest.raises(ValueError, match=r"at most 35791 objects in a picture of \(200, 300\) px, got 59999"):
        Truth.from_images(np.zeros((200, 300), np.uint8), ids, {0})
