"""Drawing: colours by class, what an overlay leaves alone, sizes."""

import cv2
import numpy as np
import pytest

from seg_ros.classes import CAMVID, UNLABELLED, ClassMap
from seg_ros.overlay import colorize, legend, overlay, side_by_side
from seg_ros.results import Frame

PALETTE = CAMVID.palette()


@pytest.fixture
def frame():
    rng = np.random.default_rng(1)
    return Frame(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), bgr=True)


@pytest.fixture
def label():
    """Road above, car below, a block of unlabelled pixels at the left."""
    label = np.full((48, 64), 3, np.uint8)
    label[24:] = 8
    label[10:40, :16] = UNLABELLED
    return label


def test_colorize_is_the_palette_by_id():
    rng = np.random.default_rng(2)
    palette = rng.integers(0, 256, (256, 3), dtype=np.uint8)
    label = rng.integers(0, 256, (33, 47), dtype=np.uint8)
    np.testing.assert_array_equal(colorize(label, palette), palette[label])
    np.testing.assert_array_equal(colorize(label[::2, ::-3], palette[:, ::-1]), palette[label[::2, ::-3]][..., ::-1])


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_overlay_blends(frame, label, alpha):
    before = frame.pixels.copy()
    got = overlay(frame, label, PALETTE, alpha)
    blend = frame.pixels * (1 - alpha) + PALETTE[label][..., ::-1] * alpha
    inside = np.ones(label.shape, bool)
    inside[22:26] = inside[8:42, :18] = False  # where classes meet
    assert np.abs(got - blend)[inside].max() <= 1
    np.testing.assert_array_equal(frame.pixels, before)


def test_unlabelled_pixels_stay_camera(frame, label):
    got = overlay(frame, label, PALETTE, 0.7)
    np.testing.assert_array_equal(got[label == UNLABELLED], frame.pixels[label == UNLABELLED])


def test_contours_are_one_pixel_in_a_class_colour(frame, label):
    got = overlay(frame, label, PALETTE, 0.2)
    colors = PALETTE[label][..., ::-1]
    pure = (got == colors).all(-1)[:, 30:]
    assert pure.all(axis=1).sum() == 1
    assert pure[23].all() or pure[24].all()


def test_channel_order_does_not_change_the_picture(frame, label):
    rgb = Frame(np.ascontiguousarray(frame.pixels[..., ::-1]), bgr=False)
    np.testing.assert_array_equal(overlay(rgb, label, PALETTE, 0.5), overlay(frame, label, PALETTE, 0.5))


def test_a_strided_view_is_drawn_over(label):
    padded = np.zeros((48, 70, 3), np.uint8)
    assert overlay(Frame(padded[:, :64]), label, PALETTE, 0.5).shape == (48, 64, 3)


def test_overlay_refuses(frame, label):
    with pytest.raises(ValueError, match="size"):
        overlay(frame, label[1:], PALETTE, 0.5)
    with pytest.raises(ValueError, match="alpha"):
        overlay(frame, label, PALETTE, 1.5)


@pytest.mark.parametrize("height", [40, 360, 1080])
def test_legend_shows_every_colour(height):
    picture = legend(CAMVID, height)
    assert picture.shape[0] == height
    assert picture.dtype == np.uint8
    shown = {tuple(color) for color in np.unique(picture.reshape(-1, 3)[:, ::-1], axis=0).tolist()}
    assert set(CAMVID.colors) <= shown


def test_a_long_legend_takes_more_columns():
    many = ClassMap(tuple(f"class {i}" for i in range(91)), tuple((i, 200, 255 - i) for i in range(91)))
    assert legend(many, 480).shape[0] == 480
    assert legend(many, 480).shape[1] > legend(many, 2000).shape[1]


def test_side_by_side(frame, label):
    big = Frame(cv2.resize(frame.pixels, (320, 240)), bgr=True)
    picture = side_by_side(big, cv2.resize(label, (320, 240), interpolation=cv2.INTER_NEAREST), CAMVID)
    bar = picture.shape[0] - 240
    assert 0 < bar < 40
    np.testing.assert_array_equal(picture[bar:, :320], big.pixels)
    assert picture.shape[1] > 3 * 320 + legend(CAMVID, 240).shape[1]
