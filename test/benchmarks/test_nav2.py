"""The check of what nav2's layer gets: it accepts what fits together, and names what does not."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2

from benchmarks.nav2 import faults
from seg_ros.lifting import POINT
from seg_ros.ros.clouds import write_cloud

H, W = 4, 6
NAMES = {0: "sky", 1: "road"}


def image(**changes):
    message = Image(height=H, width=W, step=W, encoding="mono8", data=bytes([0, 1, 255] * 8))
    message.header.frame_id = "eye"
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def cloud(label=1):
    points = np.zeros((H, W), POINT)
    points["label"] = points["confidence"] = np.reshape([0, label, 255] * 8, (H, W))
    return deserialize_message(write_cloud((0, 0), "eye", points), PointCloud2)


@pytest.mark.parametrize(
    ("label", "points", "names", "found"),
    [
        (image(), cloud(), NAMES, []),
        (image(), cloud(), None, ["no names"]),
        (image(), cloud(), {0: "sky"}, ["names of the settings missing", "classes without a name"]),
        (image(), cloud(2), NAMES, ["points of other labels than their pixels'"]),
        (image(height=3, width=8, step=8), cloud(), NAMES, ["several sizes"]),
        (image(encoding="8UC1"), cloud(), NAMES, ["encoding or padding"]),
    ],
)
def test_faults_of_a_set(label, points, names, found):
    assert faults(label, image(), points, names, ["road"]) == found
