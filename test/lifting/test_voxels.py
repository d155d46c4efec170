"""Thinned-out clouds: which point of a cube stays."""

import numpy as np

from seg_ros.lifting import POINT
from seg_ros.lifting.voxels import thinned


def cloud(*points):
    made = np.zeros(len(points), POINT)
    for point, (x, label, confidence) in zip(made, points, strict=True):
        point["x"], point["label"], point["confidence"] = x, label, confidence
    made["instance"] = np.arange(1, len(points) + 1)  # which point it was
    return made


def kept(points, side=1.0):
    return thinned(points, side)["instance"].tolist()


def test_the_surest_point_of_the_most_frequent_label_stays():
    assert kept(cloud((0.1, 8, 9), (0.2, 3, 255), (0.3, 8, 7), (0.4, 8, 9), (0.5, 3, 1))) == [1]
    assert kept(cloud((0.1, 8, 9), (0.2, 3, 255))) == [2]  # as many of each: the smaller id
    assert kept(cloud((2.1, 8, 1), (-0.1, 8, 1), (0.1, 8, 1), (2.9, 8, 2))) == [2, 3, 4]
    assert kept(cloud((np.nan, 8, 1), (np.inf, 8, 1))) == []
    assert kept(cloud()) == []
    assert kept(cloud((1e30, 8, 1), (2e30, 8, 2), (-1e30, 8, 1))) == [2, 3]


def test_every_cube_with_points_keeps_one_of_its_own():
    rng = np.random.default_rng(0)
    points = np.zeros((30, 40), POINT)
    for axis in "xyz":
        points[axis] = rng.normal(0, 3, points.shape)
    points["label"] = rng.integers(0, 3, points.shape)

    def cubes(some):
        return {tuple(np.floor([p[axis] / 0.7 for axis in "xyz"]).astype(int)) for p in some.ravel()}

    found = thinned(points, 0.7)
    assert len(found) == len(cubes(found))
    assert cubes(found) == cubes(points)
    assert np.isin(found, points).all()
