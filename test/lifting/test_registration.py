"""A depth image taken to another camera: where its points fall, what hides what, and what it does not know."""

import numpy as np
import pytest

from seg_ros.errors import FrameError
from seg_ros.lifting import CameraModel, Extrinsics, registered
from seg_ros.scenes import Street
from seg_ros.scenes.depth_camera import DepthCamera, measured

CAMERA = CameraModel((48, 64), (60.0, 60.0), (31.5, 23.5))
SMALL = CameraModel((24, 32), (30.0, 30.0), (15.5, 11.5))


def at(*place):
    return Extrinsics(np.eye(3, dtype=np.float32), np.float32(place))


def test_a_camera_in_the_same_place_sees_the_same():
    depth = np.random.default_rng(0).integers(200, 9000, (48, 64), np.uint16)
    depth[10] = 0, *(65535,) * 63
    found = registered(depth, CAMERA, at(0, 0, 0), CAMERA)
    assert np.allclose(found, np.where((depth == 0) | (depth == 65535), np.nan, depth / 1000), equal_nan=True)


def test_fewer_pixels_leave_no_holes():
    found = registered(np.full((24, 32), 2000, np.uint16), SMALL, at(0, 0, 0), CAMERA)
    assert (found == 2).all()


def test_the_nearest_counts_and_what_is_not_seen_stays_unknown():
    depth = np.full((48, 64), 6000, np.uint16)
    depth[:, 20:30] = 2000  # a post
    found = registered(depth, CAMERA, at(0.2, 0, 0), CAMERA)  # 6 px to the right at 2 m, 2 px at 6 m
    row = found[24]
    assert np.isnan(row[:2]).all()
    assert (row[2:22] == 6).all()
    assert np.isnan(row[22:26]).all()  # behind the post, as the depth camera sees it
    assert (row[26:36] == 2).all()
    assert (row[36:] == 6).all()


@pytest.mark.parametrize("depth", [np.zeros((48, 64), np.uint16), np.full((48, 64), np.nan, np.float32)])
@pytest.mark.parametrize("place", [(0, 0, 0), (0, 0, -50), (1e9, 0, 0)])
def test_nothing_seen_is_nothing_known(depth, place):
    assert np.isnan(registered(depth, CAMERA, at(*place), CAMERA)).all()


def test_a_depth_image_is_of_its_cameras_size():
    with pytest.raises(FrameError, match=r"the depth image has 64x48 px and its camera_info 32x24"):
        registered(np.zeros((48, 64), np.uint16), SMALL, at(0, 0, 0), CAMERA)


def test_the_street_from_beside_is_the_street():
    for seed in (2, 4):  # a mirrored one, and one that is not
        space = Street(seed, (240, 320)).scene(31, space=True).space
        depth, matrix = measured(space, DepthCamera(place=(0.1, 0.05, -0.1)))
        sensor = CameraModel.from_calibration(depth.shape, matrix.ravel(), "", ())
        camera = CameraModel.from_calibration(space.depth.shape, space.matrix.ravel(), "", ())
        found = registered(depth, sensor, at(0.1, 0.05, -0.1), camera)
        seen = np.isfinite(found)
        assert seen.mean() > 0.9 * (space.depth < 65).mean()
        off = np.abs(found / space.depth - 1)[seen]
        assert np.median(off) < 0.02
        assert (off < 0.1).mean() > 0.93
