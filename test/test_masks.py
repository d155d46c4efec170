"""Binary masks: of a result, with a margin, and held against flicker."""

import numpy as np
import pytest

from seg_ros.masks import Hold, widened
from seg_ros.results import SemanticMap
from test.objects import BICYCLIST, CAR, PEDESTRIAN, found, nothing

SIZES = [(1, 1), (1, 4), (4, 1), (5, 7), (48, 72)]
SECOND = 10**9


@pytest.mark.parametrize("ids", [{3}, {0, 9, 10}, set(range(11)), {254}])
def test_a_semantic_map_masks_every_pixel_of_the_classes_and_no_other(ids):
    label = np.arange(256, dtype=np.uint8).reshape(8, 32)
    mask = SemanticMap(label).mask(ids)
    assert mask.dtype == np.uint8
    assert set(label[mask == 255]) == ids
    assert set(label[mask == 0]) == set(range(256)) - ids


@pytest.mark.parametrize("ids", [{CAR}, {PEDESTRIAN}, {PEDESTRIAN, BICYCLIST}, {3}, {CAR, PEDESTRIAN, BICYCLIST}])
def test_objects_are_in_the_mask_also_where_a_better_one_covers_them(ids):
    objects, expected = found(), np.zeros((48, 72), np.uint8)
    for class_id, (x, y, w, h), mask in zip(objects.class_id, objects.roi, objects.masks, strict=True):
        if class_id in ids:
            expected[y : y + h, x : x + w] |= mask
    np.testing.assert_array_equal(objects.mask(ids), expected)
    assert objects.semantic().label[12, 20] == CAR  # which covers the pedestrian there
    assert (objects.mask({PEDESTRIAN})[12, 20], nothing().mask(ids).max()) == (255, 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("margin", [0, 1, 3, 100])
def test_a_margin_is_a_square_around_every_pixel(size, margin):
    mask = np.where(np.random.default_rng(0).random(size) < 0.02, 255, 0).astype(np.uint8)
    mask[size[0] // 2, size[1] // 2] = 255
    expected = np.zeros(size, np.uint8)
    for y, x in np.argwhere(mask):
        expected[max(0, y - margin) : y + margin + 1, max(0, x - margin) : x + margin + 1] = 255
    np.testing.assert_array_equal(widened(mask, margin), expected)


def held(hold, value, nanoseconds, seconds=1.0, size=(5, 7), shows=("car",)):
    """The one value of the held mask, of which every pixel is `value`."""
    mask = hold.extend(np.full(size, value, np.uint8), divmod(nanoseconds, SECOND), seconds, shows)
    assert (mask.shape, mask.dtype) == (size, np.uint8)
    (value,) = set(mask.ravel().tolist())
    return value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("period", [0.01, 1 / 30, 0.3])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 7.0])
def test_a_pixel_stays_for_the_hold_and_hardly_longer(size, period, seconds):
    hold, start = Hold(), 1_700_000_000 * SECOND + 123_456_789
    assert held(hold, 255, start, seconds, size) == 255
    for i in range(1, int(1.2 * seconds / period) + 2):
        passed = round(i * period * SECOND)
        value = held(hold, 0, start + passed, seconds, size)
        if passed <= seconds * SECOND:
            assert value == 255, passed
        if passed >= 1.004 * seconds * SECOND:
            assert value == 0, passed


def test_every_pixel_has_its_own_hold():
    hold, at = Hold(), np.zeros((3, 40), np.uint8)
    for i in range(40):  # one column a frame, ten frames a second
        at[:] = 0
        at[:, i] = 255
        mask = hold.extend(at.copy(), divmod(5 * SECOND + i * SECOND // 10, SECOND), 1.0)
        assert np.flatnonzero(mask[1]).tolist() == list(range(max(0, i - 10), i + 1))


@pytest.mark.parametrize(
    ("nanoseconds", "changed"),
    [
        (9 * SECOND, {}),  # the clock jumped back
        (10 * SECOND, {}),  # the same stamp again, as of a camera without
        (10 * SECOND + 1, {"size": (7, 5)}),
        (10 * SECOND + 1, {"seconds": 2.0}),
        (10 * SECOND + 1, {"seconds": 0.0}),
        (10 * SECOND + 1, {"shows": ("car", "pedestrian")}),
        (90 * SECOND, {}),
    ],
)
def test_a_hold_forgets(nanoseconds, changed):
    hold = Hold()
    assert held(hold, 255, 10 * SECOND) == 255
    assert held(hold, 0, 10 * SECOND + 1) == 255  # it would have been held
    hold = Hold()
    assert held(hold, 255, 10 * SECOND) == 255
    assert held(hold, 0, nanoseconds, **changed) == 0
    assert held(hold, 0, nanoseconds + 1, **changed) == 0  # for good


def test_nothing_is_held_for_no_time():
    hold = Hold()
    assert held(hold, 255, SECOND, 0.0) == 255
    assert held(hold, 0, SECOND + 1, 0.0) == 0
