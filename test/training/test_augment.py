"""Augmented objects: they stay with their picture, and with what a warp of the whole frame gives."""

import cv2
import numpy as np
import pytest

from seg_ros.metrics.truth import MIN_PIXELS, Truth
from seg_ros.training.augment import Augment


def picture():
    """Three bright shapes on black, two of them overlapping, and their masks."""
    masks = np.zeros((3, 120, 160), np.uint8)
    cv2.circle(masks[0], (40, 50), 25, 1, -1)
    cv2.rectangle(masks[1], (50, 40), (110, 90), 1, -1)
    cv2.fillPoly(masks[2], [np.array([[120, 119], [159, 60], [159, 119]])], 1)
    return masks.any(axis=0)[..., None] * np.full(3, 200, np.uint8), Truth.of(masks, [4, 5, 6])


@pytest.mark.parametrize("fit", [False, True])
def test_objects_stay_with_their_picture(fit):
    image, truth = picture()
    augment = Augment((100, 130), colour=0.0, noise=0.0, fit=fit)
    bright_ones = 0
    for seed in range(40):
        out, found = augment.instances((image, truth), np.random.default_rng(seed))
        assert out.shape == (100, 130, 3)
        bright = out[..., 0] > 170
        dark = out[..., 0] < 60  # the border is 128
        union = found.masks.any(axis=0) if len(found) else np.zeros((100, 130), bool)
        assert (bright & ~union).sum() <= 0.01 * bright.sum()
        assert (dark & union).sum() <= 0.01 * dark.sum()
        bright_ones += bright.sum()
    assert bright_ones > 40_000  # there was something to compare


def test_masks_are_those_of_a_warped_frame():
    image, truth = picture()
    augment = Augment((100, 130))
    for seed in range(60):
        _, found = augment.instances((image, truth), np.random.default_rng(seed))
        warp = augment._warp(image, np.random.default_rng(seed))
        whole = [cv2.warpAffine(m, warp, (130, 100), flags=cv2.INTER_NEAREST) for m in truth.masks]
        expected = Truth.of(np.stack(whole), truth.class_id)
        assert found.class_id.tolist() == expected.class_id.tolist()
        # Where a pixel's centre falls on an edge, the two may round apart.
        assert (found.masks != expected.masks).sum() <= 0.01 * expected.masks.sum()
        assert np.abs(found.boxes() - expected.boxes()).max(initial=0) <= 1
        assert set(np.unique(found.masks)) <= {0, 1}


def test_same_draw_as_for_labels():
    image, truth = picture()
    label = truth.masks[2] * 6
    augment = Augment((100, 130))
    for seed in range(20):
        plain, ids = augment((image, label), np.random.default_rng(seed))
        out, found = augment.instances((image, truth), np.random.default_rng(seed))
        assert np.array_equal(plain, out)
        mask = found.masks[found.class_id == 6].any(axis=0)
        assert ((ids == 6) != mask).mean() < 0.001


def test_objects_that_leave_are_dropped_and_slivers_ignored():
    mask = np.zeros((1, 100, 200), np.uint8)
    mask[0, 40:44, 0:20] = 1
    truth = Truth.of(mask, [1])
    augment = Augment((100, 100), scale=(1.0, 1.0))
    seen = {"gone": 0, "sliver": 0, "whole": 0}
    for seed in range(200):
        _, found = augment.instances((np.zeros((100, 200, 3), np.uint8), truth), np.random.default_rng(seed))
        if len(found) == 0:
            seen["gone"] += 1
        else:
            pixels = found.masks.sum()
            assert found.ignore.tolist() == [pixels < MIN_PIXELS]
            seen["sliver" if pixels < MIN_PIXELS else "whole"] += 1
    assert min(seen.values()) > 0, seen


def test_ignored_stay_ignored_and_pictures_may_be_empty():
    image, truth = picture()
    crowd = Truth.of(truth.masks, truth.class_id, [True, False, False])
    augment = Augment((120, 160), scale=(1.0, 1.0))
    assert augment.instances((image, crowd), np.random.default_rng(0))[1].ignore.tolist() == [True, False, False]
    empty = Truth.of(np.zeros((0, 120, 160), np.uint8), [])
    _, found = augment.instances((image, empty), np.random.default_rng(0))
    assert (found.masks.shape, found.boxes().shape) == ((0, 120, 160), (0, 4))


def test_fit_brings_pictures_of_any_size_to_the_crop():
    augment = Augment((90, 120), scale=(1.0, 1.0), colour=0.0, noise=0.0, fit=True)
    for height, width in ((45, 60), (900, 1200), (1200, 900)):
        image = np.full((height, width, 3), 200, np.uint8)
        mask = np.ones((1, height, width), np.uint8)
        out, found = augment.instances((image, Truth.of(mask, [0])), np.random.default_rng(1))
        ((x0, y0, x1, y1),) = found.boxes()
        size = (90, 90 * width / height)
        assert (y1 - y0, x1 - x0) == pytest.approx(size, abs=1.5)
        assert ((out[..., 0] == 200) == found.masks[0]).mean() > 0.97


def test_fine_texture_averages_when_a_picture_shrinks():
    image = np.zeros((800, 800, 3), np.uint8)
    image[:, ::2] = 200  # stripes of a pixel: grey at an eighth of the size
    out, _ = Augment((100, 100), scale=(1.0, 1.0), colour=0.0, noise=0.0, fit=True)(
        (image, np.zeros((800, 800), np.uint8)), np.random.default_rng(0)
    )
    assert np.abs(out[5:-5, 5:-5].astype(int) - 100).max() <= 3


@pytest.mark.parametrize("scale", [(1.8, 0.6), (0.0, 1.0)])
def test_factors_that_make_no_range_are_refused(scale):
    with pytest.raises(ValueError, match="scale: expected the smallest factor and then the largest, got"):
        Augment((32, 32), scale)
