"""What a depth camera, a LiDAR, a calibration or tf2 does wrong costs its measurement, by name, and no other."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped

from seg_ros.lifting import POINT
from seg_ros.ros.clouds import MOST_POINTS, read_points, write_cloud
from test.conftest import wait_for
from test.sensors import DEPTH, LABEL, H, Sensors, W, sum_is_whole

FORWARD = [0.0, 0.0, 0.0, 0.5, -0.5, 0.5, 0.5]
POINTS = np.zeros(50, POINT)
POINTS["x"] = 5


def scan(stamp, points=POINTS):
    return write_cloud(stamp, "roof", points)


def resumes(sensors, measurement, **kwargs):
    """Whether clouds come again after few measurements, of 5 a second, and all that was lost is counted by name."""
    sensors.clouds.clear()
    before = sensors.stamp
    sensors.until(lambda: sensors.clouds, measurement, **kwargs)
    assert sensors.stamp - before <= 5
    assert not sensors.lost("internal")
    wait_for(lambda: sum_is_whole(sensors.node))


@pytest.fixture
def depth(graph, small_weights):
    sensors = Sensors(graph, small_weights)
    sensors.until(lambda: sensors.clouds, DEPTH)
    return sensors


@pytest.mark.parametrize(
    "nothing",
    [np.full((H, W), np.nan, np.float32), np.zeros((H, W), np.uint16), np.full((H, W), 65535, np.uint16)],
    ids=["NaN", "zeros", "65535"],
)
def test_a_depth_camera_that_sees_nothing_gives_clouds_of_no_points(depth, nothing):
    def empty():
        return depth.clouds and np.isnan(read_points(depth.clouds[-1])[1]["z"]).all()

    depth.until(empty, nothing)
    assert not any(depth.lost(reason) for reason in ("internal", "encoding", "size"))
    depth.until(lambda: not empty(), DEPTH)


def test_a_depth_camera_that_is_slower_than_the_labels_gets_each_of_its_images_lifted(depth):
    before = depth.node.statistics.counts()
    for _ in range(3):
        for _ in range(5):
            depth.send(None)
        depth.clouds.clear()
        depth.send(DEPTH)
        wait_for(lambda: depth.clouds)
    now = depth.node.statistics.counts()
    assert now["frames_out"] - before["frames_out"] == now["frames_in"] - before["frames_in"] == 3


def shorten(info):
    info.d = [0.1, 0.2]


def other_size(info):
    info.width, info.height = 2 * W, H


def of_another(info):
    info.header.frame_id = "other"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda info: setattr(info, "k", np.zeros(9)), "calibration"),
        (shorten, "calibration"),
        (other_size, "camera_info_size"),
        (of_another, "camera_info_frame_id"),
        (lambda info: setattr(info, "k", np.full(9, np.nan)), "camera_info_unreadable"),
    ],
    ids=["zeros", "D too short", "other size", "other camera", "NaN"],
)
def test_a_calibration_that_goes_wrong_costs_until_it_is_right_again(graph, small_weights, change, reason):
    sensors = Sensors(graph, small_weights)
    sensors.change_info = change
    sensors.until_lost(reason, DEPTH)
    assert not sensors.clouds
    sensors.change_info = lambda info: None
    resumes(sensors, DEPTH)


def test_a_calibration_that_changes_is_used_from_its_own_image_on(depth):
    def across():
        cloud = read_points(depth.clouds[-1])[1]
        return float(cloud["x"][0, -1] - cloud["x"][0, 0])

    wide = across()
    depth.matrix = np.float64(((120, 0, 31.5), (0, 120, 23.5), (0, 0, 1)))
    depth.until(lambda: across() == pytest.approx(wide / 2), DEPTH)


def test_a_silent_lidar_is_told_of_and_lifted_when_it_is_back(graph, small_weights):
    lidar = Sensors(graph, small_weights, lidar=True, extrinsics=FORWARD)
    lidar.until(lambda: lidar.clouds, scan)
    for _ in range(40):  # more labels than are kept
        lidar.send(None)
    told = graph.collect(DiagnosticArray, "/diagnostics")
    lidar.until(lambda: any("nothing on /lidar/points" in each.status[0].message for each in told), None)
    resumes(lidar, scan)


def test_clouds_of_wrong_shapes_cost_themselves(graph, small_weights):
    lidar = Sensors(graph, small_weights, lidar=True, extrinsics=FORWARD)
    lidar.until(lambda: lidar.clouds, lambda stamp: scan(stamp, POINTS[:0]))
    assert not len(read_points(lidar.clouds[-1])[1])
    many = np.zeros((1, 1), np.dtype([("x", "u1")]))
    huge = bytearray(write_cloud((0, 0), "roof", many))
    size = huge.index(b"\x01\0\0\0\x01\0\0\0")  # height and width
    huge[size : size + 4] = (MOST_POINTS + 1).to_bytes(4, "little")

    def stamped(stamp):
        return bytes(huge[:4]) + stamp[0].to_bytes(4, "little") + bytes(4) + bytes(huge[12:])

    lidar.until_lost("size", stamped)
    whole = np.zeros(5, np.dtype([("x", "<u4"), ("y", "<u4"), ("z", "<u4")]))
    lidar.until_lost("fields", lambda stamp: scan(stamp, whole))
    lidar.until_lost("fields", lambda stamp: scan(stamp, whole[["x"]].astype([("x", "<f4")])))
    resumes(lidar, scan)


class Buffer:
    """In place of tf2's, which the wheels of ROS have not."""

    said: object = LookupError("'roof' does not exist")

    def lookup_transform(self, target, source, time):
        if isinstance(self.said, Exception):
            raise self.said
        place = TransformStamped()
        place.transform.translation.x, place.transform.rotation.w = self.said
        return place


@pytest.mark.parametrize(
    "wrong",
    [
        LookupError("'roof' does not exist"),
        RuntimeError("the tf tree has a loop"),
        TimeoutError("it would need extrapolation into the future"),
        (np.nan, 1.0),
        (0.0, np.nan),
        (0.0, 0.0),
    ],
    ids=["missing", "loop", "late", "NaN place", "NaN rotation", "no rotation"],
)
def test_what_tf2_does_not_know_costs_until_it_does(graph, small_weights, monkeypatch, wrong):
    listener = types.SimpleNamespace(unregister=lambda: None)
    module = types.SimpleNamespace(Buffer=Buffer, TransformListener=lambda buffer, node: listener)
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    monkeypatch.setattr(Buffer, "said", wrong)
    lidar = Sensors(graph, small_weights, lidar=True)
    lidar.until_lost("transform", scan)
    assert not lidar.clouds
    Buffer.said = (0.0, 1.0)
    resumes(lidar, scan, label=LABEL)
