"""Clouds of depth images and of LiDARs: the right point at the right pixel, and no label where nothing is known."""

import numpy as np
import pytest

from seg_ros.classes import CAMVID
from seg_ros.errors import FrameError
from seg_ros.lifting import CameraModel, Extrinsics, Labels, Style, organised, paint
from seg_ros.lifting.camera import rays
from seg_ros.scenes import Street
from seg_ros.scenes.lidar import AXES, PLACE, QUATERNION, scan

H, W = 48, 64
CAMERA = CameraModel((H, W), (60.0, 62.0), (31.5, 20.0), "plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0))
ALL = Style.of(CAMVID)
ROOF = Extrinsics.from_quaternion(PLACE, QUATERNION)


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    return Labels(
        rng.integers(0, 11, (H, W), np.uint8),
        rng.integers(0, 256, (H, W), np.uint8),
        rng.integers(0, 9, (H, W), np.uint16),
    )


def test_every_pixel_has_its_point_and_its_labels(labels):
    depth = np.random.default_rng(1).integers(500, 60000, (H, W), np.uint16)
    cloud = organised(depth, CAMERA, labels, ALL)
    x, y = rays(CAMERA)
    z = depth / 1000
    for axis, expected in (("x", x * z), ("y", y * z), ("z", z)):
        assert np.allclose(cloud[axis], expected, rtol=1e-6)
    assert np.array_equal(cloud["label"], labels.label)
    assert np.array_equal(cloud["instance"], labels.instance)
    assert np.array_equal(cloud["confidence"], labels.confidence)
    red, green, blue = CAMVID.colors[labels.label[5, 6]]
    assert cloud["rgb"][5, 6] == red << 16 | green << 8 | blue
    again = organised((depth / np.float32(1000)).astype(np.float32), CAMERA, labels, ALL)
    assert np.allclose(again["z"], cloud["z"])


def test_no_depth_is_no_point(labels):
    millimetres = np.full((H, W), 2000, np.uint16)
    millimetres[0, :2] = 0, 65535
    metres = np.full((H, W), 2, np.float32)
    metres[0, :4] = 0, np.nan, np.inf, -1
    for depth, count in ((millimetres, 2), (metres, 4), (np.full((H, W), np.nan, np.float32), H * W)):
        cloud = organised(depth, CAMERA, labels, ALL)
        for axis in "xyz":
            assert np.count_nonzero(np.isnan(cloud[axis])) == count
        assert np.array_equal(cloud["label"], labels.label)


def test_classes_that_are_not_kept_have_no_points(labels):
    style = Style.of(CAMVID, ("road", "pavement"))
    cloud = organised(np.full((H, W), 2000, np.uint16), CAMERA, labels, style)
    assert np.array_equal(np.isfinite(cloud["z"]), np.isin(labels.label, (3, 4)))
    with pytest.raises(ValueError, match="'tarmac', allowed: 'sky'"):
        Style.of(CAMVID, ("tarmac",))


def test_sizes_that_differ_are_refused(labels):
    for depth in (np.zeros((H, W + 1), np.uint16), np.zeros((H // 2, W // 2), np.uint16)):
        with pytest.raises(FrameError, match="one size") as error:
            organised(depth, CAMERA, labels, ALL)
        assert error.value.reason == "size"
    with pytest.raises(FrameError, match="camera_info"):
        organised(np.zeros((H, W), np.uint16), CameraModel((H, W * 2), (60, 60), (1, 1)), labels, ALL)
    with pytest.raises(FrameError, match="confidence"):
        Labels(labels.label, labels.confidence[:-1])


def test_the_streets_scan_gets_the_true_labels():
    right = total = seen = 0
    for seed in (2, 20000, 4):
        scene = Street(seed).scene(31, space=True)
        camera = CameraModel.from_calibration(scene.label.shape, scene.space.matrix.ravel(), "", ())
        found = scan(scene.space)
        cloud = paint(found.points, ROOF, camera, Labels(scene.label, instance=scene.instance), ALL)
        labelled = cloud["label"] < 255
        right += np.count_nonzero(cloud["label"][labelled] == found.label[labelled])
        total += np.count_nonzero(labelled)
        u, v, z = scene.space.matrix @ (found.points @ AXES.T + PLACE).T
        seen += np.count_nonzero((z > 0) & (u > 0) & (u < 640 * z) & (v > 0) & (v < 480 * z))
    assert right / total > 0.995
    assert total / seen > 0.8  # and not by giving labels to few


def plane(z, low=-2.0, high=2.0, step=0.05):
    """Points of a wall that faces the camera."""
    x, y = np.meshgrid(np.arange(low, high, step), np.arange(low, high, step))
    return np.stack((x, y, np.full_like(x, z)), -1).reshape(-1, 3).astype(np.float32)


def test_what_is_hidden_behind_or_outside_stays_unlabelled():
    camera = CameraModel((H, W), (60.0, 60.0), (31.5, 23.5))
    labels = Labels(np.full((H, W), 8, np.uint8))
    front, back, behind = plane(5.0, -1, 1), plane(9.0, -1, 1), plane(-4.0)
    ground = np.float32([(0, 1.5, z) for z in np.arange(5, 60, 0.5)])
    nan = np.full((3, 3), np.nan, np.float32)
    here = Extrinsics(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    parts = [front, back, behind, ground, nan]
    cloud = paint(np.concatenate(parts), here, camera, labels, ALL)
    label = np.split(cloud["label"], np.cumsum([len(p) for p in parts])[:-1])
    assert (label[0] == 8).all()
    assert (label[1] == 255).all()
    assert (label[2] == 255).all()
    assert (label[4] == 255).all()
    camera = CameraModel((H * 8, W * 8), (480.0, 480.0), (255.5, 191.5))
    labels = Labels(np.full((H * 8, W * 8), 8, np.uint8))
    ground = np.float32([(0, 1.5, z) for z in np.arange(4, 60, 0.1)])  # far denser than a LiDAR's
    alone = paint(ground, here, camera, labels, ALL)["label"]
    assert (alone == 8).all()  # it does not hide itself, however far
    assert len(paint(np.zeros((0, 3), np.float32), here, camera, labels, ALL)) == 0


@pytest.mark.parametrize(
    "pose",
    [((0, 0, 0), (0, 0, 0, 0)), ((0, 0, 0), (1, 1, 1, 1)), ((np.nan, 0, 0), (0, 0, 0, 1)), ((0, 0), (0, 0, 0, 1))],
)
def test_what_is_no_place_is_refused(pose):
    with pytest.raises(ValueError, match=r"quaternion|finite"):
        Extrinsics.from_quaternion(*pose)
