"""A cloud for Autoware: its classes, and what of its uncertainty is known."""

import numpy as np
import pytest

from seg_ros.autoware import point_ids
from seg_ros.classes import CAMVID
from seg_ros.lifting import POINT
from seg_ros.lifting.layouts import as_autoware


def test_points_have_autowares_classes_and_what_is_known_of_their_uncertainty():
    cloud = np.zeros((1, 5), POINT)
    cloud["x"], cloud["z"] = (1, 2, np.nan, 4, 5), 9
    cloud["label"], cloud["confidence"] = (8, 3, 8, 255, 8), (255, 204, 9, 0, 0)
    found = as_autoware(cloud, point_ids(CAMVID.names, ()))
    assert found["x"].tolist() == [1, 2, 4, 5]
    assert found["class_id"].tolist() == [0, 8, 255, 0]
    assert found["probability"].tolist() == pytest.approx([1, 0.8, 0, 0])
    entropy = -0.8 * np.log(0.8) - 0.2 * np.log(0.2)
    assert found["entropy"].tolist() == pytest.approx([0, entropy, np.nan, np.nan], nan_ok=True)


def test_the_entropy_is_the_least_that_a_confidence_allows():
    rng, cloud = np.random.default_rng(0), np.zeros(200, POINT)
    p = rng.dirichlet(np.full(11, 0.3), 200)
    cloud["confidence"] = np.rint(255 * p.max(1))
    known = as_autoware(cloud, point_ids(CAMVID.names, ("sky: NOISE",)))["entropy"]
    full = -(p * np.log(np.maximum(p, 1e-30))).sum(1)
    assert (known <= full + 0.02).all()  # a confidence has 8 bits
    assert (full <= known + (1 - p.max(1)) * np.log(10) + 0.02).all()
