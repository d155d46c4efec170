"""The lift node with the real tf2, where it is installed: places that come late, move, form a loop, and start again."""

import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("tf2_ros", reason="tf2_ros is not installed")

from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from seg_ros.errors import FrameError
from seg_ros.lifting import POINT
from seg_ros.ros import messages
from seg_ros.ros.clouds import read_points, write_cloud
from seg_ros.ros.transforms import Transforms
from test.conftest import wait_for
from test.sensors import DEPTH, MATRIX, H, Sensors, W

AHEAD = (0.5, -0.5, 0.5, 0.5)
"""Turns a LiDAR's axes into those of a camera that looks where it does."""
HALVES = np.full((H, W), 3, np.uint8)
HALVES[:, 10:] = 8
POINTS = np.zeros(30, POINT)
POINTS["x"], POINTS["y"], POINTS["z"] = 5, 2, np.linspace(-1, 1, 30)
"""Column 7.5 of the picture; 6 m away it were 11.5."""


def place(parent, child, x=0.0, rotation=(0.0, 0.0, 0.0, 1.0), stamp=(0, 0)):
    """A transform that is `x` m along the parent's first axis."""
    found = TransformStamped(child_frame_id=child)
    found.header.frame_id, (found.header.stamp.sec, found.header.stamp.nanosec) = parent, stamp
    found.transform.translation.x = x
    for axis, value in zip("xyzw", rotation, strict=True):
        setattr(found.transform.rotation, axis, float(value))
    return found


def tell(graph, *places):
    StaticTransformBroadcaster(graph.client).sendTransform([*places])  # one tells each child's place once


def labels_of(sensors, measurement, **kwargs):
    sensors.clouds.clear()
    sensors.until(lambda: sensors.clouds, measurement, **kwargs)
    assert not sensors.lost("internal")
    return set(read_points(sensors.clouds[-1])[1]["label"])


def scan(stamp):
    return write_cloud(stamp, "roof", POINTS)


def test_a_lidars_place_is_missing_then_a_loop_and_then_there(graph, small_weights):
    lidar = Sensors(graph, small_weights, lidar=True)
    lidar.until_lost("transform", scan)
    tell(graph, place("car", "roof"), place("roof", "car"), place("map", "eye"))
    before = lidar.lost("transform")
    lidar.until(lambda: lidar.lost("transform") > before + 3, scan)
    assert not lidar.clouds
    tell(graph, place("eye", "roof", rotation=AHEAD))
    assert labels_of(lidar, scan, label=HALVES) == {3}
    tell(graph, place("eye", "roof", x=0.7, rotation=AHEAD))  # 0.7 m to the right: column 15.9
    lidar.until(lambda: 8 in labels_of(lidar, scan, label=HALVES), scan, label=HALVES)


def test_the_place_of_another_depth_camera_is_asked_of_tf2(graph, small_weights):
    sensors = Sensors(graph, small_weights, register_depth=True)
    own = graph.client.create_publisher(CameraInfo, "/seg/camera_info", 10)
    tell(graph, place("eye", "depth_eye", x=1.0))
    sensors.change_info = lambda info: setattr(info.header, "frame_id", "depth_eye")

    def measured(stamp):
        own.publish(messages.camera_info(stamp, "eye", (H, W), MATRIX))
        return messages.serialized_image(stamp, "depth_eye", DEPTH, "16UC1")

    sensors.until(lambda: sensors.clouds, measured)
    _, cloud = read_points(sensors.clouds[-1])
    assert np.isnan(cloud["z"][:, :15]).all()  # what is 4 m away is 15 px further right
    assert (cloud["z"][:, 15:] == 4).all()


def test_motion_is_made_up_for_and_again_when_a_recording_starts_again(graph, small_weights):
    """The car drives at 100 m/s, and its LiDAR measures 10 ms after the picture, from 1 m further on."""
    lidar = Sensors(graph, small_weights, lidar=True, fixed_frame="odom")
    tell(graph, place("car", "roof"), place("car", "eye", rotation=(*-np.array(AHEAD[:3]), AHEAD[3])))
    moving = TransformBroadcaster(graph.client)

    def driven(stamp):
        then = stamp[0], 10**7
        moving.sendTransform([place("odom", "car", x, stamp=t) for x, t in ((0.0, stamp), (1.0, then))])
        return write_cloud(then, "roof", POINTS)

    for start in (1000, 0):
        lidar.stamp = start
        assert labels_of(lidar, driven, label=HALVES) == {8}


def test_a_place_that_tf2_hears_of_a_little_later_is_waited_for(graph):
    transforms = Transforms(graph.client, None, "odom")
    moving, stamp = TransformBroadcaster(graph.client), (7, 0)
    wait_for(lambda: graph.client.count_subscribers("/tf"))
    threading.Timer(
        0.02, moving.sendTransform, [[place("odom", "eye", stamp=stamp), place("odom", "roof", 2.0, stamp=stamp)]]
    ).start()
    assert transforms.sensor("eye", "roof", stamp, stamp).translation.tolist() == [2, 0, 0]
    with pytest.raises(FrameError, match="extrapolation"):
        transforms.sensor("eye", "roof", (8, 0), (8, 0))
    transforms.destroy()
    wait_for(lambda: not graph.client.count_subscribers("/tf"))
