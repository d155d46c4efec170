"""Labels are held still where the scene is the same, move with it, and nothing outlives a cut."""

import numpy as np
import pytest

from seg_ros.metrics.flicker import Flicker, followed
from seg_ros.results import SemanticMap
from seg_ros.scenes.street import Street
from seg_ros.tracking import Smoother

SURE, UNSURE = 230, 120


@pytest.fixture(scope="module")
def picture():
    return Street(20000).scene(0).image


def labels(shape, value, confidence):
    return SemanticMap(np.full(shape, value, np.uint8), np.full(shape, confidence, np.uint8))


def after(picture, seconds=0.1, now=None, at=SURE):
    """Says 3 of one frame, with this confidence, and then 5, less sure; returns what becomes of the second."""
    smoother = Smoother()
    smoother.update(10.0, labels(picture.shape[:2], 3, at), picture)
    now = picture if now is None else now
    return smoother.update(10.0 + seconds, labels(now.shape[:2], 5, UNSURE), now)


def test_a_surer_label_stays_until_it_has_decayed(picture):
    smoothed = after(picture)
    assert (smoothed.label == 3).mean() > 0.99
    assert UNSURE < smoothed.confidence.max() < SURE
    assert (after(picture, at=UNSURE + 1).label == 5).all()


def test_labels_move_with_the_picture(picture):
    wide, smoother = 40, Smoother()
    first = labels(picture.shape[:2], 1, SURE)
    first.label[:, 300:] = 2
    smoother.update(10.0, first, picture)
    now = np.roll(picture, wide // 4, axis=1)
    smoothed = smoother.update(10.1, labels(picture.shape[:2], 5, UNSURE), now)
    share = [(smoothed.label[:, a:b] == c).mean() for a, b, c in ((100, 305, 1), (315, 600, 2))]
    assert min(share) > 0.85
    assert (smoothed.label[:, :5] == 5).mean() > 0.5  # came in from outside of the picture


def test_borders_that_jitter_flicker_less():
    """By a fifth and more where colours make the flow exact, by a tenth with the flow of the small picture alone."""
    street, rng, smoother = Street(20000), np.random.default_rng(0), Smoother()
    plain, smooth, last = Flicker(), Flicker(), None
    for step in range(8):
        scene = street.scene(step, 30.0, space=True)
        label = np.roll(scene.label, rng.integers(-1, 2, 2), (0, 1))
        found = SemanticMap(label, rng.integers(100, 250, label.shape).astype(np.uint8))
        smoothed = smoother.update(1 + step / 30, found, scene.image).label
        if last:
            pixels, places = followed(street, last[0], scene, ((step - 1) / 30, step / 30))
            for flicker, before, after in ((plain, last[1], label), (smooth, last[2], smoothed)):
                flicker.add(before, after, pixels, places, np.ones(len(pixels), bool))
        last = scene, label, smoothed
    assert smooth.changed < 0.82 * plain.changed, smooth.changed / plain.changed


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 0.6])
def test_no_label_outlives_a_jump_of_the_clock_or_a_gap(picture, seconds):
    assert (after(picture, seconds).label == 5).all()


def test_no_label_outlives_a_cut_or_another_size(picture):
    assert (after(picture, now=Street(20007).scene(50).image).label == 5).mean() > 0.9
    assert (after(picture, now=picture[:-1]).label == 5).all()
    noise = np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8)
    assert (after(picture, now=noise).label == 5).all()


@pytest.mark.parametrize("size", [(1, 1), (48, 72), (1080, 20), (360, 1280)])
def test_pictures_of_any_size(size):
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    assert set(np.unique(after(picture).label)) <= {3, 5}


def test_what_was_returned_is_not_written_again(picture):
    smoother = Smoother()
    first = smoother.update(10.0, labels(picture.shape[:2], 3, SURE), picture)
    first.label[:] = 9  # the caller's own
    second = smoother.update(10.1, labels(picture.shape[:2], 5, UNSURE), picture)
    assert not (second.label == 9).any()
    with pytest.raises(ValueError, match="confidence"):
        smoother.update(10.2, SemanticMap(first.label), picture)
