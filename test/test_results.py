"""Frames of pixels alone; instances: chosen by index, as images of ids and of classes, of shapes that go together."""

import dataclasses

import numpy as np
import pytest

from seg_ros.classes import UNLABELLED
from seg_ros.results import Frame, Instances, Selection
from test.objects import BICYCLIST, CAR, PEDESTRIAN, followed, found, nothing


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (None, r"None: cv2\.imread could not read the file"),
        ([[[1, 2, 3]]], r"list: convert it by numpy\.asarray"),
        (np.zeros((4, 5), np.uint8), r"\(4, 5\) uint8: convert them, by cv2\.cvtColor"),
        (np.zeros((4, 5, 4), np.uint8), r"\(4, 5, 4\) uint8: "),
        (np.zeros((4, 5, 3), np.uint16), r"\(4, 5, 3\) uint16: "),
        (np.zeros((4, 5, 3)), r"\(4, 5, 3\) float64: "),
        (np.zeros((1, 3, 4, 5), np.uint8), r"\(1, 3, 4, 5\) uint8: "),
        (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\) uint8: "),
    ],
)
def test_a_frame_is_made_of_pixels_of_8_bit(pixels, got):
    with pytest.raises(ValueError, match=rf"^expected \(H, W, 3\) uint8 pixels as cv2\.imread gives them, got {got}"):
        Frame(pixels)


def test_ids_are_those_of_the_best_scored():
    result = found()
    ids = result.ids()
    assert (ids.dtype, ids.shape) == (np.uint16, (48, 72))
    expected = np.zeros((48, 72), int)
    for i in (2, 1, 0):
        x, y, w, h = result.roi[i]
        for row in range(h):
            for column in range(w):
                if result.masks[i][row, column]:
                    expected[y + row, x + column] = i + 1
    np.testing.assert_array_equal(ids, expected)
    assert ids[12, 20] == 1  # where the car covers the pedestrian
    assert ids[6, 5] == 0  # inside the car's roi, outside its mask
    assert ids[47, 71] == 3  # the roi that touches the corner


def test_track_ids_are_drawn_in_16_bits_and_go_with_their_objects():
    result = followed()
    np.testing.assert_array_equal(result.track_ids(), np.array([0, 7, 0, 5], np.uint16)[result.ids()])
    assert not found().track_ids().any()
    chosen = result[[2, 0]]
    assert chosen.tracks.track_id.tolist() == [65540, 7]
    assert chosen.tracks.age_frames.tolist() == [2, 3]
    assert result[result.score > 0.7].tracks.track_id.tolist() == [7, 0]


def test_semantic_is_class_and_score_of_the_best_scored():
    result = found()
    semantic, ids = result.semantic(), result.ids()
    assert (semantic.label.dtype, semantic.confidence.dtype) == (np.uint8, np.uint8)
    for i, (class_id, confidence) in enumerate([(UNLABELLED, 0), (CAR, 242), (PEDESTRIAN, 191), (BICYCLIST, 153)]):
        assert set(semantic.label[ids == i]) == {class_id}
        assert set(semantic.confidence[ids == i]) == {confidence}


def test_no_objects():
    result = nothing()
    assert len(result) == 0
    assert not result.ids().any()
    assert (result.semantic().label == UNLABELLED).all()
    assert not result.semantic().confidence.any()


@pytest.mark.parametrize("count", [300, 65535])
def test_ids_do_not_wrap(count):
    side = 256
    x, y = np.arange(count) % side, np.arange(count) // side
    roi = np.stack([x, y, np.ones_like(x), np.ones_like(x)], 1).astype(np.int32)
    one = np.full((1, 1), 255, np.uint8)
    scores = np.linspace(1, 0, count, dtype=np.float32)
    result = Instances((side, side), np.zeros(count, np.uint8), scores, roi.astype(np.float32), roi, (one,) * count)
    np.testing.assert_array_equal(result.ids().reshape(-1)[:count], np.arange(1, count + 1))


def test_selection_takes_all_by_default():
    assert Selection() == Selection(0.5, 0.5, None, 100)


def test_objects_are_chosen_by_index():
    objects = found()
    sure = objects[objects.score > 0.7]
    assert sure.score.tolist() == pytest.approx([0.95, 0.75])
    assert (len(sure.masks), sure.size, sure.capped) == (2, objects.size, objects.capped)
    for index in (slice(1, None), [1, 2], np.array([1, 2]), objects.class_id != CAR):
        assert objects[index].class_id.tolist() == [PEDESTRIAN, BICYCLIST]
    assert objects[-1].class_id.tolist() == [BICYCLIST]
    np.testing.assert_array_equal(objects[-1].masks[0], objects.masks[2])
    assert len(objects[objects.score > 1]) == len(objects[[]]) == len(nothing()[:]) == 0
    with pytest.raises(IndexError):
        objects[3]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"score": np.ones(2, np.float32)}, r"3 masks need score of shape \(3,\), got \(2,\)"),
        ({"box": np.zeros((3, 2), np.float32)}, r"box of shape \(3, 4\), got \(3, 2\)"),
        (
            {"masks": (np.zeros((1, 1), np.uint8),) * 3},
            r"mask 0 must have the size of its roi, \(12, 20\), got \(1, 1\)",
        ),
    ],
)
def test_shapes_that_do_not_go_together_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(found(), **changes)
