"""Frames of any size and aspect go in, labels of that size come back, in every mode."""

import cv2
import numpy as np
import pytest
import torch

from seg_ros.geometry import MODES, Resize, bands

SIZES = [(479, 641), (641, 479), (100, 1000), (1000, 100), (2160, 3840), (480, 640), (1, 1), (7, 3)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frame", SIZES)
def test_sizes(mode, frame):
    resize = Resize.of(frame, (96, 128), mode)
    target = np.zeros((*resize.input, 3), np.uint8)
    resize.to_input(np.full((*frame, 3), 200, np.uint8), target)
    back = resize.to_frame(target[..., 0], smooth=False)
    assert back.shape == frame
    assert (back == 200).all()  # nothing of the grey border comes back


def test_letterbox_keeps_the_aspect_and_centres():
    resize = Resize.of((100, 1000), (480, 640), "letterbox")
    assert (resize.width, resize.height, resize.left, resize.top) == (640, 64, 0, 208)
    target = np.zeros((480, 640, 3), np.uint8)
    resize.to_input(np.full((100, 1000, 3), 9, np.uint8), target)
    assert (target[208:272] == 9).all()
    assert (target[:208] == 128).all()
    assert (target[272:] == 128).all()


def test_stretch_fills_the_input():
    resize = Resize.of((100, 1000), (480, 640), "stretch")
    assert (resize.width, resize.height, resize.left, resize.top) == (640, 480, 0, 0)


def test_native_takes_the_size_of_the_frame():
    assert Resize.of((479, 641), (480, 640), "native").input == (479, 641)


@pytest.mark.parametrize("mode", MODES)
def test_places_are_kept(mode):
    # A label drawn on the frame, laid in and back, is where it was, to a pixel of the coarser grid.
    rng = np.random.default_rng(0)
    for frame in ((480, 640), (300, 401), (960, 1280)):
        label = np.kron(rng.integers(0, 2, (6, 8)), np.ones((frame[0] // 6, frame[1] // 8))).astype(np.uint8)
        label = np.pad(label, [(0, f - s) for f, s in zip(frame, label.shape, strict=True)], mode="edge")
        resize = Resize.of(frame, (240, 320), mode)
        target = np.zeros((*resize.input, 3), np.uint8)
        resize.to_input(np.repeat(label[..., None] * 255, 3, axis=2), target)
        back = resize.to_frame((target[..., 0] > 127).astype(np.uint8), smooth=False)
        assert (back == label).mean() > 0.98


def test_unknown_mode_is_named():
    with pytest.raises(ValueError, match="stretch, letterbox, native, got 'crop'"):
        Resize.of((1, 1), (1, 1), "crop")


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (1, 1), (7, 2000), (61, 93), (96, 1), (1, 128)])
def test_labels_are_those_of_opencv(size):
    label = np.random.default_rng(0).integers(0, 11, (96, 128), np.uint8)
    expected = cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    ours = Resize.of(size, (96, 128), "stretch").to_frame(label, smooth=False)
    assert ours.flags.c_contiguous
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("frame", [(1080, 1920), (720, 1280), (1200, 1920), (1081, 1920), (1000, 1000), (480, 2000)])
@pytest.mark.parametrize("size", [(480, 640), (360, 480), (97, 131)])
def test_a_picture_in_bands_is_the_picture_as_a_whole(frame, size, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (*frame, 3), np.uint8)
    whole, cut = (np.zeros((*size, 3), np.uint8) for _ in range(2))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    Resize.of(frame, size, "stretch").to_input(pixels, cut)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    Resize.of(frame, size, "stretch").to_input(pixels, whole)
    np.testing.assert_array_equal(cut, whole)


@pytest.mark.parametrize(
    ("n", "m", "count"), [(1080, 480, 3), (1080, 480, 1), (2160, 360, 4), (720, 480, 2), (480, 480, 2)]
)
def test_bands_tile_the_picture(n, m, count):
    found = bands(n, m, count)
    assert len(found) == count
    assert [band.start for band in found] == [0, *(band.stop for band in found[:-1])]
    assert found[-1].stop == m
    assert (found[0].top, found[-1].bottom) == (0, n)


def test_sizes_without_a_common_factor_are_one_band():
    assert len(bands(1081, 480, 4)) == len(bands(10, 7, 2)) == len(bands(8, 4, 4)) == 1
