"""Drawing: colours by class, what an overlay leaves alone, sizes."""

import cv2
import numpy as np
import pytest

from seg_ros.classes import CAMVID, UNLABELLED, ClassMap
from seg_ros.overlay import colorize, id_colors, id_palette, instances, legend, overlay, side_by_side
from seg_ros.results import Frame, Instances
from test.objects import expected, followed, found, nothing

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


# Objects


@pytest.fixture
def picture():
    rng = np.random.default_rng(3)
    return Frame(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8), bgr=True)


def test_ids_have_stable_colours_that_differ_from_their_neighbours():
    palette = id_palette(200).astype(int)
    assert not palette[0].any()
    np.testing.assert_array_equal(id_palette(7), palette[:8])
    for i in range(1, 195):
        assert np.abs(palette[i + 1 : i + 6] - palette[i]).max(axis=1).min() > 40
    assert len(np.unique(palette[1:25], axis=0)) == 24


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_objects_are_tinted_by_id(picture, alpha):
    before = picture.pixels.copy()
    result = found((240, 320))
    got = instances(picture, result, CAMVID, alpha).astype(int)
    colors = id_palette(len(result))[:, ::-1]
    # The bicyclist lies clear of all names: its inside is tinted, its rim is in full colour, around it is camera.
    x, y, w, h = result.roi[2]
    inside = np.s_[y + 2 : y + h - 2, x + 2 : x + w - 2]
    assert np.abs(got[inside] - (picture.pixels[inside] * (1 - alpha) + colors[3] * alpha)).max() <= 1
    np.testing.assert_array_equal(got[y + 1 :, x], np.broadcast_to(colors[3], (h - 1, 3)))
    np.testing.assert_array_equal(got[y:, x - 3], picture.pixels[y:, x - 3])
    np.testing.assert_array_equal(got[100:150], picture.pixels[100:150])
    np.testing.assert_array_equal(picture.pixels, before)


def test_followed_objects_have_the_colour_of_their_track_and_a_trail(picture):
    got = instances(picture, followed((240, 320)), CAMVID, 1.0)
    car, pedestrian, bicyclist = id_colors(np.array([7, 0, 65540]))[:, ::-1]
    np.testing.assert_array_equal(got[16, 20], car)
    np.testing.assert_array_equal(got[25, 5], car)  # on the way from (2, 30) to (8, 20), where no object is
    np.testing.assert_array_equal(got[20, 22], pedestrian)
    np.testing.assert_array_equal(got[235, 312], bicyclist)
    assert len(set(map(tuple, (car, pedestrian, bicyclist)))) == 3


def test_expected_objects_are_dashed_in_the_colour_of_their_track(picture):
    found, more = (instances(picture, kind((240, 320)), CAMVID, 1.0) for kind in (followed, expected))
    color = id_colors(np.array([9]))[0, ::-1]
    left = more[8:32, 40]
    assert 5 < (left == color).all(axis=1).sum() < 20
    np.testing.assert_array_equal(more[100:], found[100:])
    np.testing.assert_array_equal(more[12:28, 44:48], found[12:28, 44:48])  # nothing is inside


def test_the_best_scored_object_is_on_top(picture):
    result = found((240, 320))
    got = instances(picture, result, CAMVID, 1.0)
    colors = id_palette(3)[:, ::-1]
    assert result.ids()[16, 20] == 1  # car over pedestrian
    np.testing.assert_array_equal(got[16, 20], colors[1])
    np.testing.assert_array_equal(got[20, 22], colors[2])


def test_names_are_inside_the_picture(picture):
    for y, x in ((0, 0), (239, 319), (0, 319), (239, 0)):
        one = np.full((1, 1), 255, np.uint8)
        roi = np.array([[x, y, 1, 1]], np.int32)
        result = Instances((240, 320), np.uint8([9]), np.float32([0.5]), roi.astype(np.float32), roi, (one,))
        changed = (instances(picture, result, CAMVID, 0.5) != picture.pixels).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert np.ptp(columns) > 60  # the whole of "pedestrian 0.50"
        assert np.ptp(rows) < 30


def test_names_do_not_hide_each_other(picture):
    roi = np.tile(np.array([100, 200, 30, 20], np.int32), (4, 1))
    masks = (np.full((20, 30), 255, np.uint8),) * 4
    result = Instances((240, 320), np.uint8([8] * 4), np.float32([0.9] * 4), roi.astype(np.float32), roi, masks)
    above = instances(picture, result, CAMVID, 0.5)[:200, 100:104]
    for color in id_palette(4)[1:, ::-1]:
        assert (above == color).all(axis=2).any()


def test_an_object_of_the_whole_picture_and_a_picture_smaller_than_its_name():
    for size in ((4, 5), (32, 40), (1100, 60)):
        height, width = size
        roi = np.array([[0, 0, width, height]], np.int32)
        mask = np.full(size, 255, np.uint8)
        result = Instances(size, np.uint8([9]), np.float32([0.5]), roi.astype(np.float32), roi, (mask,))
        assert instances(Frame(np.zeros((*size, 3), np.uint8)), result, CAMVID, 0.5).shape == (*size, 3)


def test_no_objects_leave_the_camera_image(picture):
    got = instances(picture, nothing((240, 320)), CAMVID, 0.5)
    np.testing.assert_array_equal(got, picture.pixels)
    assert got is not picture.pixels


def test_objects_over_a_read_only_strided_view_of_either_order(picture):
    padded = np.zeros((240, 330, 3), np.uint8)
    padded[:, :320] = picture.pixels
    view = padded[:, :320]
    view.flags.writeable = False
    expected = instances(picture, found((240, 320)), CAMVID, 0.5)
    np.testing.assert_array_equal(instances(Frame(view, True), found((240, 320)), CAMVID, 0.5), expected)
    rgb = Frame(np.ascontiguousarray(view[..., ::-1]), False)
    np.testing.assert_array_equal(instances(rgb, found((240, 320)), CAMVID, 0.5), expected)


def test_instances_refuses(picture):
    with pytest.raises(ValueError, match="size"):
        instances(picture, found((240, 319)), CAMVID, 0.5)
    with pytest.raises(ValueError, match="alpha"):
        instances(picture, found((240, 320)), CAMVID, -0.1)


def test_side_by_side_of_objects(picture):
    result = found((240, 320))
    drawn = side_by_side(picture, result, CAMVID, 0.25)
    bar = drawn.shape[0] - 240
    gap = (drawn.shape[1] - 3 * 320) // 2
    panels = [drawn[bar:, i * (320 + gap) :][:, :320] for i in range(3)]
    np.testing.assert_array_equal(panels[0], picture.pixels)
    np.testing.assert_array_equal(panels[1], id_palette(3)[result.ids()][..., ::-1])
    np.testing.assert_array_equal(panels[2], instances(picture, result, CAMVID, 0.25))
