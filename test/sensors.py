"""What a lift node takes, played by a test, and what it makes of it."""

from __future__ import annotations

import time

import numpy as np
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from seg_ros.classes import CAMVID
from seg_ros.ros import messages
from seg_ros.ros.cdr import write_image
from seg_ros.ros.lift import LiftNode
from seg_ros_msgs.msg import InstanceMaskArray
from test.conftest import wait_for
from test.objects import nothing

H, W = 48, 64
MATRIX = np.float64(((60, 0, 31.5), (0, 60, 23.5), (0, 0, 1)))
LABEL = np.random.default_rng(0).integers(0, 11, (H, W), np.uint8)
DEPTH = np.full((H, W), 4000, np.uint16)


class Sensors:
    """A segmentation node, a depth camera and a LiDAR, all played by the test, and what the lift node makes of them."""

    def __init__(self, graph, small_weights, lidar=False, name="lift", camera="/seg", **overrides):
        values = {"weights": str(small_weights), "segmentation": camera, **overrides}
        values |= {"points_topic": "/lidar/points"} if lidar else {"depth_topic": "/depth/image"}
        self._graph = graph
        self.node = graph.add(LiftNode(name, parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]))
        publisher = graph.client.create_publisher
        self._label = publisher(Image, f"{camera}/label", 10)
        self._objects = publisher(InstanceMaskArray, f"{camera}/instances", 10) if not lidar else None
        self._info = publisher(CameraInfo, f"{camera}/camera_info" if lidar else "/depth/camera_info", 10)
        self._measured = publisher(PointCloud2 if lidar else Image, values.get("points_topic") or "/depth/image", 10)
        self.clouds = []
        qos = QoSProfile(depth=10)
        graph.client.create_subscription(PointCloud2, f"/{name}/points", self.clouds.append, qos, raw=True)
        self.boxes = graph.collect(MarkerArray, f"/{name}/objects")
        self.stamp = 0
        self.matrix = MATRIX
        self.change_info = lambda info: None
        self.frame_id = "eye"

    def send(self, measurement=None, objects=None, label=LABEL):
        """Sends one frame of everything; a measurement is a depth image, a function from a stamp to a message, None."""
        self.stamp += 1
        stamp = self.stamp, 0
        header = Header(frame_id=self.frame_id)
        header.stamp.sec = self.stamp
        info = messages.camera_info(stamp, self.frame_id, (H, W), self.matrix)
        self.change_info(info)
        self._info.publish(info)
        if callable(measurement):
            self._measured.publish(measurement(stamp))
        elif measurement is not None:
            encoding = {np.dtype("u2"): "16UC1", np.dtype("f4"): "32FC1"}[measurement.dtype]
            self._measured.publish(write_image(stamp, self.frame_id, measurement, encoding))
        if self._objects is not None:
            self._objects.publish(messages.instances(header, objects or nothing((H, W)), CAMVID))
        self._label.publish(messages.serialized_image(stamp, self.frame_id, label, "mono8"))

    def until(self, done, measurement, **kwargs):
        """Sends until it is done: discovery takes its time, and so does the node's look at who subscribes."""

        def sent():
            if done():
                return True
            self.send(measurement, **kwargs)
            return any(wait_briefly(done) for _ in range(10))

        wait_for(sent, 30)

    def until_lost(self, reason, measurement):
        before = self.lost(reason)
        self.until(lambda: self.lost(reason) > before, measurement)

    def lost(self, reason):
        return self.node.statistics.counts()["dropped"].get(reason, 0)


def wait_briefly(done):
    time.sleep(0.02)
    return done()


def sum_is_whole(node):
    """Whether every measurement that came was published, dropped for a reason, or waits for its label."""
    counts = node.statistics.counts()
    done = counts["frames_out"] + sum(counts["dropped"].values())
    return counts["frames_in"] - len(node._configured.matcher._measurements) <= done <= counts["frames_in"]
