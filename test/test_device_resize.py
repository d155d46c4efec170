"""On tensors as on arrays: the device lays frames in and maps back as the CPU does."""

import cv2
import numpy as np
import pytest
import torch

from seg_ros.device_resize import DeviceFit
from seg_ros.geometry import Fit
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


def laid_in(fit, pixels, bgr=False):
    """By the CPU and by the device, into inputs that hold something else before."""
    ours, theirs = np.full((2, *fit.input, 3), 77, np.uint8)
    fit.lay_in(pixels[..., ::-1] if bgr else pixels, theirs)
    DeviceFit(fit, bgr, "cpu").lay_in(torch.from_numpy(pixels), torch.from_numpy(ours))
    return ours, theirs


def laid_back(fit, array, smooth):
    ours = DeviceFit(fit, False, "cpu").lay_back(torch.from_numpy(array), smooth)
    assert ours.dtype == torch.uint8
    assert ours.is_contiguous()
    return ours.numpy(), fit.lay_back(array, smooth)


@pytest.mark.parametrize(("mode", "size", "shape"), FITTED)
def test_noise(mode, size, shape):
    rng = np.random.default_rng(0)
    fit = Fit.of(size, shape, mode)
    assert difference(*laid_in(fit, rng.integers(0, 256, (*size, 3), np.uint8))) <= 1
    array = rng.integers(0, 256, shape, np.uint8)
    assert difference(*laid_back(fit, array, smooth=True)) <= 1
    assert np.array_equal(*laid_back(fit, array, smooth=False))


@pytest.mark.parametrize(("mode", "size", "shape"), FITTED)
def test_pictures(mode, size, shape, scene):
    fit = Fit.of(size, shape, mode)
    assert difference(*laid_in(fit, cv2.resize(scene.image, size[::-1]))) <= 1
    label = cv2.resize(scene.label, shape[::-1], interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(*laid_back(fit, label, smooth=False))
    assert difference(*laid_back(fit, cv2.resize(scene.image[..., 1], shape[::-1]), smooth=True)) <= 1


@pytest.mark.parametrize("size", SIZES)
def test_blue_first_becomes_red_first(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert difference(*laid_in(Fit.of(size, (96, 128), "letterbox"), pixels, bgr=True)) <= 1


def test_every_size_between(scene):
    # Places at the borders are where rounding errors of sizes show.
    image, label = scene.image[:40, :50].copy(), scene.label[:40, :50].copy()
    for side in range(1, 120):
        fit = Fit.of((40, 50), (side, 121 - side), "stretch")
        assert difference(*laid_in(fit, image)) <= 1
        back = Fit.of((side, 121 - side), (40, 50), "stretch")
        assert np.array_equal(*laid_back(back, label, smooth=False))
        assert difference(*laid_back(back, image[..., 0].copy(), smooth=True)) <= 1


def test_what_shrinks_is_averaged_also_where_the_other_side_grows():
    pixels = np.zeros((10, 400, 3), np.uint8)
    pixels[:, 3::4] = 200  # lines of one pixel, as wide apart as the pixels of the input
    for laid in laid_in(Fit.of((10, 400), (100, 100), "stretch"), pixels):
        assert (laid[:, 1:-1] == 50).all()
