"""What is drawn in space: fewer points, and edges of boxes."""

import numpy as np
import pytest

pytest.importorskip("viser", reason="viser is not installed: requirements/view.txt")

from seg_ros.lifting import POINT
from seg_ros.viewing.space import Solid, edges, thinned


@pytest.mark.parametrize("shape", [(48, 64), (47, 63), (3000,)])
@pytest.mark.parametrize("most", [100, 1000, 5000])
def test_a_thinned_cloud_keeps_points_from_everywhere_within_the_bound(shape, most):
    cloud = np.zeros(shape, POINT)
    cloud["x"] = np.arange(cloud.size).reshape(shape)
    few = thinned(cloud, most)
    assert min(most, cloud.size) / 5 <= len(few) <= most
    assert few["x"][0] == 0
    assert few["x"][-1] > 0.8 * cloud.size
    assert len(set(few["x"].tolist())) == len(few)


def test_points_without_a_place_are_left_out():
    cloud = np.zeros(4, POINT)
    cloud["x"][0], cloud["z"][2] = np.nan, np.inf
    assert len(thinned(cloud, 10)) == 2
    assert len(thinned(cloud[:0], 10)) == 0


def test_the_edges_of_a_turned_box():
    quarter = np.float64(((0, -1, 0), (1, 0, 0), (0, 0, 1)))  # its length points to the left
    lines = edges([Solid("car", "", np.float64((10, 0, 1)), np.float64((4, 2, 1.5)), quarter)])
    assert lines.shape == (12, 2, 3)
    assert np.allclose(lines.min((0, 1)), (9, -2, 0.25))
    assert np.allclose(lines.max((0, 1)), (11, 2, 1.75))
    lengths = np.sort(np.linalg.norm(lines[:, 0] - lines[:, 1], axis=1))
    assert np.allclose(lengths, np.repeat((1.5, 2, 4), 4))
