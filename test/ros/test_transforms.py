"""The LiDAR's place, asked of tf2: a stand-in with tf2_ros's interface, since the wheels of ROS have none."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from geometry_msgs.msg import TransformStamped

from seg_ros.errors import FrameError
from seg_ros.ros.transforms import Transforms

STAMPS = (1, 0), (1, 0)


class Buffer:
    def __init__(self):
        self.known = {}

    def lookup_transform(self, target, source, time):
        assert time.nanoseconds == 0  # the newest
        return self.known[target, source]

    def lookup_transform_full(self, target, target_time, source, source_time, fixed, timeout):
        times = target_time.nanoseconds, source_time.nanoseconds
        return self.known[target, source, *times, fixed]


class TransformListener:
    def __init__(self, buffer, node):
        pass

    def unregister(self):
        pass


@pytest.fixture
def asked(monkeypatch):
    """What asks tf2, and a function that tells tf2 a place."""
    module = types.SimpleNamespace(Buffer=Buffer, TransformListener=TransformListener)
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    transforms = Transforms(None, None)

    def tell(x, w=1.0):
        place = TransformStamped()
        place.transform.translation.x, place.transform.rotation.w = x, w
        transforms._buffer.known["camera", "lidar"] = place

    return transforms, tell


def test_the_place_is_what_tf2_says_now(asked):
    transforms, tell = asked
    for x in (1.0, 2.0):
        tell(x)
        assert transforms.sensor("camera", "lidar", *STAMPS).translation.tolist() == [x, 0, 0]
    transforms.destroy()


@pytest.mark.usefixtures("asked")
def test_in_a_fixed_frame_it_is_asked_for_both_moments():
    moving = Transforms(None, None, "odom")
    place = TransformStamped()
    place.transform.translation.z, place.transform.rotation.w = 0.4, 1.0
    moving._buffer.known["camera", "lidar", 2 * 10**9 + 40, 10**9 + 5, "odom"] = place
    assert moving.sensor("camera", "lidar", (2, 40), (1, 5)).translation.tolist() == [0, 0, pytest.approx(0.4)]
    with pytest.raises(FrameError, match="'lidar' to 'camera'"):
        moving.sensor("camera", "lidar", (3, 0), (1, 5))


@pytest.mark.parametrize("place", [None, (np.nan, 1.0), (1.0, np.nan), (1.0, 0.0)])
def test_no_place_or_one_that_is_none_costs_the_measurement(asked, place):
    transforms, tell = asked
    if place is not None:
        tell(*place)
    with pytest.raises(FrameError, match="'lidar' to 'camera'") as error:
        transforms.sensor("camera", "lidar", *STAMPS)
    assert error.value.reason == "transform"


def test_without_tf2_a_place_must_be_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    with pytest.raises(ValueError, match=r"parameter 'extrinsics': got \[\], allowed"):
        Transforms(None, None)
