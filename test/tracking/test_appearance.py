"""Colours of objects, of every size of picture, and how alike they are."""

import numpy as np
import pytest

from seg_ros.tracking.appearance import PARTS, alike, colours, remembered
from seg_ros.tracking.association import grids


def found(picture, size=(480, 640)):
    """The colours of two objects: one is whole, of the other only the lower half."""
    roi = np.array([(100, 100, 40, 80), (400, 200, 60, 60)])
    masks = [np.full((h, w), 255, np.uint8) for _, _, w, h in roi]
    masks[1][:30] = 0
    return colours(roi, grids(masks), picture, size)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_colours_are_those_of_each_half_in_pictures_of_any_size(step):
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[100:140, 100:140], picture[140:180, 100:140] = (10, 20, 30), (40, 50, 60)
    picture[230:, 400:460] = (70, 80, 90)
    got = found(picture[::step, ::step])
    np.testing.assert_allclose(got[0], (10, 20, 30, 40, 50, 60))
    assert np.isnan(got[1, :3]).all()
    np.testing.assert_allclose(got[1, 3:], (70, 80, 90))
    grey = found(picture[::step, ::step, 1])
    np.testing.assert_allclose(grey[0], (20, 20, 20, 50, 50, 50))


def test_only_what_is_told_of_both_counts_and_time_makes_alike():
    nothing = found(None)
    assert nothing.shape == (2, PARTS)
    known = np.float32([[10, 20, 30, 40, 50, 60], [np.nan, np.nan, np.nan, 40, 50, 60]])
    other = np.float32([[10, 20, 30, 40, 50, 60], [200, 20, 30, 40, 50, 60], [np.nan] * 6])
    at_once, later = (alike(known, np.full(2, since), other) for since in (0.0, 1.0))
    np.testing.assert_allclose(at_once, [(1, np.exp(-(190**2) / 6 / 288), 1), (1, 1, 1)], atol=1e-6)
    assert later[0, 1] > at_once[0, 1]
    assert (alike(nothing, np.zeros(2), other) == 1).all()
    np.testing.assert_array_equal(remembered(nothing, known), known)
    np.testing.assert_array_equal(remembered(known, nothing), known)
