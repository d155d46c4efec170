"""Masks on a grid overlap as they do in pixels; pairs are the best first, each once; places of half hidden objects."""

import numpy as np

from seg_ros.tracking import kalman
from seg_ros.tracking.association import best_first, grids, mask_iou, nearness


def exact_iou(one, two, size=(300, 400)):
    drawn = np.zeros((2, *size), bool)
    for target, ((x, y), mask) in zip(drawn, (one, two), strict=True):
        target[y : y + mask.shape[0], x : x + mask.shape[1]] = mask > 0
    return (drawn[0] & drawn[1]).sum() / (drawn[0] | drawn[1]).sum()


def test_iou_on_a_grid_is_that_of_the_pixels():
    rng = np.random.default_rng(0)
    objects = []
    for _ in range(24):
        width, height = rng.integers(12, 120, 2)
        row, column = np.mgrid[:height, :width]
        round_ = ((row / height - 0.5) ** 2 + (column / width - 0.5) ** 2 < 0.25).astype(np.uint8) * 255
        objects.append((tuple(rng.integers(0, 180, 2)), round_))
    boxes = np.array([(x, y, x + m.shape[1], y + m.shape[0]) for (x, y), m in objects], float)
    masks = grids([mask for _, mask in objects])
    iou = mask_iou(boxes[:12], masks[:12], boxes[12:], masks[12:])
    exact = np.array([[exact_iou(a, b) for b in objects[12:]] for a in objects[:12]])
    assert (exact > 0).sum() > 20
    assert np.abs(iou - exact).max() < 0.06
    assert mask_iou(boxes[:0], masks[:0], boxes, masks).shape == (0, 24)


def test_the_best_pair_comes_first_and_each_once():
    similarity = np.array([[0.9, 0.8, 0.0], [0.85, 0.1, 0.3], [0.0, 0.0, 0.2]])
    rows, columns = best_first(similarity, 0.25)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (1, 2)]


def test_what_shows_an_edge_in_the_right_place_is_near_what_is_elsewhere_is_not():
    box = np.array([[100.0, 100.0, 140.0, 180.0]])
    motion = kalman.begin(kalman.places(box), np.zeros((1, 4)))
    left_edge, elsewhere, moved = [100, 100, 110, 180], [300, 100, 340, 180], [150, 100, 190, 180]
    place = kalman.places(np.array([left_edge, elsewhere, moved], float))
    at_once = nearness(motion, np.array([0.0]), place)[0]
    later = nearness(motion, np.array([1.0]), place)[0]
    assert at_once[0] > 0
    assert at_once[1] == at_once[2] == later[1] == 0
    assert later[2] > 0
