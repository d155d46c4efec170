"""The street's depth camera: exact unless it is told to have the faults of real ones."""

import itertools

import numpy as np
import pytest

from seg_ros.scenes import Street
from seg_ros.scenes.depth_camera import DepthCamera, measured
from seg_ros.sources import open_source


@pytest.fixture(scope="module")
def space():
    return Street(4, (120, 160)).scene(31, space=True).space


def test_it_is_exact_and_sees_nothing_beyond_what_16_bits_hold(space):
    depth, matrix = measured(space, DepthCamera())
    near = space.depth < 65.5
    assert np.abs(depth[near] / 1000 - space.depth[near]).max() <= 0.0006
    assert not depth[space.depth > 65.6].any()
    assert np.array_equal(matrix, space.matrix)


def test_noise_grows_with_the_square_of_the_distance_and_holes_take_their_share(space):
    exact, _ = measured(space, DepthCamera())
    noisy, _ = measured(space, DepthCamera(noise=0.002), seed=1)
    both = (exact > 0) & (noisy > 0) & (exact < 30_000)
    z = exact[both] / 1000
    assert np.std((noisy[both] / 1000 - z) / z**2) == pytest.approx(0.002, rel=0.1)
    holed, _ = measured(space, DepthCamera(holes=0.25), seed=1)
    lost = holed == 0
    assert np.count_nonzero(lost & (exact > 0)) / np.count_nonzero(exact) == pytest.approx(0.25, abs=0.1)
    assert np.array_equal(holed[~lost], exact[~lost])


def test_an_offset_shows_what_is_there_then():
    late, now = (
        list(itertools.islice(open_source("street", (96, 128), 10.0, True, 4, None, DepthCamera(offset=s)), 2))
        for s in (0.1, 0.0)
    )
    assert np.array_equal(late[0].space.depth, now[1].space.depth)
    assert np.array_equal(late[0].image, now[0].image)


def test_a_camera_of_its_own_has_its_own_size_and_view(space):
    depth, matrix = measured(space, DepthCamera(place=(0.0, 0.0, 0.0)))
    assert depth.shape == (60, 80)
    v, u = np.indices(depth.shape)
    x, y, _ = np.linalg.inv(matrix) @ np.stack((u.ravel(), v.ravel(), np.ones(u.size)))
    across, down, _ = space.matrix @ np.stack((x, y, np.ones(u.size)))
    column, row = np.rint(across).astype(int), np.rint(down).astype(int)
    inside = (row >= 0) & (row < 120) & (column >= 0) & (column < 160) & (depth.ravel() > 0)
    off = np.abs(depth.ravel()[inside] / 1000 / space.depth[row[inside], column[inside]] - 1)
    assert np.median(off) < 0.01
