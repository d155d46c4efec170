"""Run lengths of label images, read by a decoder of the test's own, written from the format's table."""

import struct

import numpy as np
import pytest

from seg_ros import autoware, run_lengths
from seg_ros.classes import CAMVID

SAME = np.arange(256, dtype=np.uint8)
IDS = autoware.ids(CAMVID.names, ())


def read(data, height, width):
    """Record by record: a byte for the class, four little-endian ones for the length, row by row."""
    values = []
    for value, length in struct.iter_unpack("<Bi", data):
        assert length > 0
        values += [value] * length
    return np.array(values, np.uint8).reshape(height, width)


def areas(size, classes, seed=0):
    """A label image of areas, as a network gives them, with every class in it."""
    height, width = size
    coarse = np.random.default_rng(seed).integers(0, classes, (height // 7 + 1, width // 9 + 1), np.uint8)
    coarse.reshape(-1)[: min(coarse.size, classes)] = np.arange(classes)[: coarse.size]
    return np.kron(coarse, np.ones((7, 9), np.uint8))[:height, :width]


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 97), (97, 1), (37, 53), (48, 72), (255, 333)])
def test_every_pixel_of_every_class_comes_back(size):
    for label in (areas(size, 11), areas(size, 256), np.random.default_rng(1).integers(0, 256, size, np.uint8)):
        runs = run_lengths.encode(label, SAME)
        np.testing.assert_array_equal(read(runs.tobytes(), *size), label)
        np.testing.assert_array_equal(run_lengths.decode(runs.tobytes(), size), label)
        assert (runs["id"][1:] != runs["id"][:-1]).all()


def test_classes_are_autowares():
    label = areas((100, 200), 11)
    label[:5] = 255
    decoded = read(run_lengths.encode(label, IDS).tobytes(), 100, 200)
    expected = {
        "sky": 15, "building": 1, "pole": 3, "road": 9, "pavement": 10, "tree": 14, "sign": 5, "fence": 3, "car": 7,
        "pedestrian": 6, "bicyclist": 8,
    }  # fmt: skip
    for i, name in enumerate(CAMVID.names):
        assert set(decoded[label == i]) == {expected[name]}
    assert set(decoded[label == 255]) == {0}


def test_two_classes_of_one_id_are_one_run():
    label = np.array([[2, 7, 2, 7]], np.uint8)  # poles and fences, both OBSTACLE
    assert run_lengths.encode(label, IDS).tolist() == [(3, 4)]


def test_an_image_of_one_class_is_one_run_over_all_rows_and_4k_fits():
    assert run_lengths.encode(np.full((2160, 3840), 3, np.uint8), IDS).tolist() == [(9, 2160 * 3840)]
    label = areas((2160, 3840), 11)
    assert (run_lengths.decode(run_lengths.encode(label, SAME).tobytes(), label.shape) == label).all()


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_an_image_without_pixels_has_no_runs(size):
    runs = run_lengths.encode(np.zeros(size, np.uint8), SAME)
    assert runs.tobytes() == b""
    assert run_lengths.decode(b"", size).shape == size


def test_a_label_that_is_cut_out_of_another_is_read_row_by_row():
    label = areas((40, 60), 11)[3:20, 5:31]
    np.testing.assert_array_equal(read(run_lengths.encode(label, SAME).tobytes(), 17, 26), label)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes(12), "records of 5 bytes, got 12"),  # a plain label image
        (struct.pack("<Bi", 3, 11), "12 pixels in all, got 11"),
        (struct.pack("<BiBi", 3, 13, 1, -1), "1 pixel or more"),
        (struct.pack("<BiBi", 3, 12, 1, 0), "1 pixel or more"),
        (struct.pack("<Bi", 3, 2**31 - 1) * 3, "got 6442450941"),
    ],
)
def test_what_is_no_such_image_is_refused_before_anything_is_made(data, why):
    with pytest.raises(ValueError, match=why):
        run_lengths.decode(data, (3, 4))
