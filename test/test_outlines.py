"""Outlines, drawn again: they give the masks that they were made of, as well as the tolerance says."""

import cv2
import numpy as np
import pytest

from seg_ros import outlines
from seg_ros.outlines import Outline
from seg_ros.results import Instances, SemanticMap
from test.objects import BICYCLIST, CAR, PEDESTRIAN, expected, found, nothing


def drawn(lines, size):
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [line.corners for line in lines], 255)
    return mask


def blobs(seed=0, count=6, size=(240, 320)):
    """Objects of odd shapes, with holes, parts apart and single pixels, some of them at the border of the picture."""
    rng = np.random.default_rng(seed)
    rois, masks = [], []
    for i in range(count):
        w, h = rng.integers(1, 5, 2) if i == 0 else rng.integers(60, 150, 2)
        x, y = (0, 0) if i == 1 else (rng.integers(0, size[1] - w + 1), rng.integers(0, size[0] - h + 1))
        smooth = cv2.GaussianBlur(rng.random((h, w)), (0, 0), 1.0 + i)
        mask = np.where(smooth >= np.median(smooth), 255, 0).astype(np.uint8)
        rois.append((x, y, w, h))
        masks.append(mask)
    score, ids = np.linspace(0.9, 0.5, count).astype(np.float32), np.full(count, CAR, np.uint8)
    return Instances(size, ids, score, np.zeros((count, 4), np.float32), np.array(rois, np.int32), tuple(masks))


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.5])
def test_objects_are_drawn_again_within_the_tolerance(tolerance):
    objects = blobs()
    lines = outlines.outlines(objects, {CAR}, tolerance)
    for i in range(len(objects)):
        truth = objects[i].mask([CAR])
        again = drawn([line for line in lines if line.id == i + 1], objects.size)
        wrong = again != truth
        assert not wrong.any() or tolerance
        # How far each pixel is from the border, on its own side of it.
        away = cv2.distanceTransform(np.pad(truth, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        away = np.maximum(away, cv2.distanceTransform(~truth, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
        assert away[wrong].max(initial=0) <= tolerance + 1  # a line colours every pixel that it touches
        iou = (again & truth > 0).sum() / (again | truth > 0).sum()
        border = (away <= 1).sum()
        assert iou >= 1 - tolerance * border / (truth > 0).sum()
    assert len(lines) > len(objects)  # there were holes, or parts


def test_more_tolerance_has_fewer_corners():
    counts = [sum(len(line.corners) for line in outlines.outlines(blobs(), {CAR}, t)) for t in (0.0, 1.0, 3.0)]
    assert counts[0] > 2 * counts[1] > 2 * counts[2]


def test_class_score_and_id_are_the_objects():
    lines = outlines.outlines(found(), {CAR, BICYCLIST}, 1.0)
    assert sorted((line.id, line.class_id, round(line.score, 2)) for line in lines) == [(1, CAR, 0.95), (3, 10, 0.6)]
    assert outlines.outlines(nothing(), {CAR}, 1.0) == []


def test_areas_of_the_chosen_classes_of_a_semantic_map():
    label = np.full((60, 80), 3, np.uint8)
    label[10:30, 10:40] = PEDESTRIAN
    label[15:20, 20:25] = CAR  # a hole in the pedestrian
    label[50, 79] = PEDESTRIAN  # one pixel, in the last column
    lines = outlines.outlines(SemanticMap(label), {CAR, PEDESTRIAN}, 0.0)
    assert {line[:3] for line in lines} == {(CAR, 1.0, 0), (PEDESTRIAN, 1.0, 0)}
    for class_id, count in ((CAR, 1), (PEDESTRIAN, 3)):
        mine = [line for line in lines if line.class_id == class_id]
        assert len(mine) == count
        np.testing.assert_array_equal(drawn(mine, label.shape), SemanticMap(label).mask([class_id]))
    assert outlines.outlines(SemanticMap(label), {0}, 0.0) == []
    assert [line.corners.tolist() for line in outlines.outlines(SemanticMap(label[50:51, 79:]), {9}, 1.0)] == [[[0, 0]]]


def test_a_frame_has_a_bounded_number_of_corners_the_longest_outlines_stay():
    label = np.zeros((400, 600), np.uint8)
    label[::4, ::4] = CAR  # 15,000 single pixels
    label[100:200, 100:300] = CAR
    lines = outlines.outlines(SemanticMap(label), {CAR}, 1.0)
    assert sum(len(line.corners) for line in lines) == outlines.MOST_CORNERS
    assert len(lines[0].corners) == 4
    noise = np.random.default_rng(0).integers(0, 11, (1080, 1920), np.uint8)
    assert outlines.outlines(SemanticMap(noise), {CAR, PEDESTRIAN}, 1.0) == []


def test_an_outline_is_corners_of_whole_pixels():
    (line,) = outlines.outlines(SemanticMap(np.full((5, 7), CAR, np.uint8)), {CAR}, 1.0)
    assert isinstance(line, Outline)
    assert line.corners.dtype == np.int32
    assert sorted(map(tuple, line.corners.tolist())) == [(0, 0), (0, 4), (6, 0), (6, 4)]


@pytest.mark.parametrize("box", [(40, 8, 52, 32), (0, 0, 640, 480), (3.5, 4.2, 4.5, 5.2), (0, 0, 1, 1), (0, 5, 300, 6)])
def test_dashes_lie_on_the_sides_of_their_box_and_meet_at_its_corners(box):
    left, top, right, bottom = np.floor(box[0]), np.floor(box[1]), np.ceil(box[2]) - 1, np.ceil(box[3]) - 1
    ends = outlines.dashes(np.array(box)).reshape(-1, 2)
    assert (np.isin(ends[:, 0], (left, right)) | np.isin(ends[:, 1], (top, bottom))).all()
    assert {(left, top), (right, top), (right, bottom), (left, bottom)} <= {(x, y) for x, y in ends.tolist()}
    assert 8 <= len(ends) <= 64


def test_expected_objects_of_the_chosen_classes_are_dashed():
    coasting = expected().coasting
    lines = outlines.dashed(coasting, {PEDESTRIAN})
    assert {line[:3] for line in lines} == {(PEDESTRIAN, 0.5, 0)}
    assert all(line.corners.shape == (2, 2) for line in lines)
    assert outlines.dashed(coasting, {CAR}) == []
