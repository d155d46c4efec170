"""On tensors as on arrays: the device lays frames in and maps back as the CPU does."""

import cv2
import numpy as np
import pytest
import torch

from seg_ros.device_resize import DeviceResize
from seg_ros.geometry import Resize
from seg_ros.scenes import Street

INPUTS = [(96, 128), (61, 93), (240, 320)]
SIZES = [(480, 640), (479, 641), (641, 479), (100, 1000), (1000, 100), (37, 211), (48, 64), (96, 128), (7, 3), (1, 1)]
FITTED = [pytest.param(mode, size, shape, id=f"{mode}-{size[0]}x{size[1]}-{shape[0]}x{shape[1]}")
          for mode in ("stretch", "letterbox") for size in SIZES for shape in INPUTS]  # fmt: skip


@pytest.fixture(scope="module")
def scene():
    return Street(3).scene(10)


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max()


def laid_in(resize, pixels, bgr=False):
    """By the CPU and by the device, into inputs that hold something else before."""
    ours, theirs = np.full((2, *resize.input, 3), 77, np.uint8)
    resize.to_input(pixels[..., ::-1] if bgr else pixels, theirs)
    DeviceResize(resize, bgr, "cpu").to_input(torch.from_numpy(pixels), torch.from_numpy(ours))
    return ours, theirs


def laid_back(resize, array, smooth):
    ours = DeviceResize(resize, False, "cpu").to_frame(torch.from_numpy(array), smooth)
    assert ours.dtype == torch.uint8
    assert ours.is_contiguous()
    return ours.numpy(), resize.to_frame(array, smooth)


@pytest.mark.parametrize(("mode", "size", "shape"), FITTED)
def test_noise(mode, size, shape):
    rng = np.random.default_rng(0)
    resize = Resize.of(size, shape, mode)
    assert difference(*laid_in(resize, rng.integers(0, 256, (*size, 3), np.uint8))) <= 1
    array = rng.integers(0, 256, shape, np.uint8)
    assert difference(*laid_back(resize, array, smooth=True)) <= 1
    assert np.array_equal(*laid_back(resize, array, smooth=False))


@pytest.mark.parametrize(("mode", "size", "shape"), FITTED)
def test_pictures(mode, size, shape, scene):
    resize = Resize.of(size, shape, mode)
    assert difference(*laid_in(resize, cv2.resize(scene.image, size[::-1]))) <= 1
    label = cv2.resize(scene.label, shape[::-1], interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(*laid_back(resize, label, smooth=False))
    assert difference(*laid_back(resize, cv2.resize(scene.image[..., 1], shape[::-1]), smooth=True)) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_blue_first_becomes_red_first(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert difference(*laid_in(Resize.of(size, (96, 128), "letterbox"), pixels, bgr=True)) <= 1


def test_every_size_between(scene):
    # Places at the borders are where rounding errors of sizes show.
    image, label = scene.image[:40, :50].copy(), scene.label[:40, :50].copy()
    for side in range(1, 120):
        resize = Resize.of((40, 50), (side, 121 - side), "stretch")
        assert difference(*laid_in(resize, image)) <= 1
        back = Resize.of((side, 121 - side), (40, 50), "stretch")
        assert np.array_equal(*laid_back(back, label, smooth=False))
        assert difference(*laid_back(back, image[..., 0].copy(), smooth=True)) <= 1


def test_what_shrinks_is_averaged_also_where_the_other_side_grows():
    pixels = np.zeros((10, 400, 3), np.uint8)
    pixels[:, 3::4] = 200  # lines of one pixel, as wide apart as the pixels of the input
    for laid in laid_in(Resize.of((10, 400), (100, 100), "stretch"), pixels):
        assert (laid[:, 1:-1] == 50).all()
