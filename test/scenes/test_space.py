"""The street in metres: exact distances, the LiDAR's scan of the same surfaces, and true boxes."""

import numpy as np
import pytest

from seg_ros.scenes import Street
from seg_ros.scenes.lidar import AXES, PLACE, scan
from seg_ros.scenes.truth import true_boxes

ROAD, PAVEMENT, SKY = 3, 4, 0


@pytest.fixture(scope="module")
def scenes():
    return [Street(seed, (240, 320)).scene(31, space=True) for seed in (2, 4)]  # a mirrored street, and one that is not


def test_the_pictures_are_those_without_distances(scenes):
    assert [scene.space.mirrored for scene in scenes] == [True, False]
    plain = Street(4, (240, 320)).scene(31)
    assert plain.space is None
    assert np.array_equal(plain.image, scenes[1].image)
    assert np.array_equal(plain.instance, scenes[1].instance)


def test_the_ground_is_a_plane_below_the_camera_and_the_sky_is_nowhere(scenes):
    for scene in scenes:
        space = scene.space
        rows = np.indices(space.depth.shape)[0]
        ground = np.isin(scene.label, (ROAD, PAVEMENT)) & (rows > 0.7 * len(rows))
        drop = (rows - space.matrix[1, 2]) / space.matrix[1, 1] * space.depth  # m below the camera
        near, far = (np.median(drop[ground & (rows > n)]) for n in (0.9 * len(rows), 0.7 * len(rows)))
        assert 1.2 < near < 1.9
        assert near == pytest.approx(far, rel=0.02)  # the horizon sways by a pixel
        assert np.isinf(space.depth[scene.label == SKY]).all()


def test_people_are_upright_and_cars_are_solid(scenes):
    for scene in scenes:
        boxes = true_boxes(scene)
        assert boxes
        for box in boxes:
            seen = scene.space.depth[scene.instance == box.instance]
            if box.class_id == 8:
                assert seen.max() - seen.min() < 6
            else:
                assert np.ptp(seen) == 0
                assert box.size[2] < 2.2
            assert box.center[2] == pytest.approx((seen.min() + seen.max()) / 2, abs=0.6)


def test_a_scan_from_the_cameras_place_sees_what_the_picture_shows(scenes):
    for scene in scenes:
        space = scene.space
        found = scan(space, place=(0, 0, 0), noise=0.0)
        points = found.points @ AXES.T
        u, v, z = space.matrix @ points.T
        column, row = np.rint(u / z).astype(int), np.rint(v / z).astype(int)
        inside = (z > 1) & (row >= 0) & (row < 240) & (column >= 0) & (column < 320)
        row, column, z = row[inside], column[inside], points[inside, 2]
        assert np.mean(scene.label[row, column] == found.label[inside]) > 0.97  # but for the pixels of edges
        assert np.mean(scene.instance[row, column] == found.instance[inside]) > 0.97
        assert np.mean(np.abs(space.depth[row, column] / z - 1) < 0.05) > 0.95


def test_a_scan_has_noise_of_its_seed_and_lies_beside_the_camera(scenes):
    one, again, other = (scan(scenes[0].space, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.points, again.points)
    assert len(one.points) != len(other.points) or not np.array_equal(one.points, other.points)
    ground = one.points[(one.label == ROAD) & (one.ring < 8)]
    assert np.median(ground[:, 2]) < -1.2 + PLACE[1]
