"""Publishes the truth as a segmentation node publishes what it finds: what takes its outputs is judged alone."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image

from seg_ros.classes import ClassMap
from seg_ros.picture import Picture
from seg_ros.ros import messages
from seg_ros.ros.camera_info import TOPIC
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.qos import output_qos
from seg_ros_msgs.msg import InstanceMaskArray


class TrueLabels:
    """The topics `label`, `instances` and `camera_info` of a segmentation node that is never wrong.

    Args:
        node: whose publishers they are.
        name: full name of the segmentation node in whose place they are.
        classes: of the labels.
    """

    def __init__(self, node: Node, name: str, classes: ClassMap) -> None:
        self._classes = classes
        self._label = node.create_publisher(Image, f"{name}/label", output_qos())
        self._objects = node.create_publisher(InstanceMaskArray, f"{name}/instances", output_qos())
        self._info = node.create_publisher(CameraInfo, f"{name}/{TOPIC}", output_qos())

    def publish(self, stamp: Stamp, frame_id: str, picture: Picture) -> None:
        """Publishes the truth about a picture, which must have a label; its objects where they are known."""
        if picture.matrix is not None and self._info.get_subscription_count():
            self._info.publish(messages.camera_info(stamp, frame_id, picture.image.shape[:2], picture.matrix))
        if picture.space is not None and self._objects.get_subscription_count():
            header = messages.header_of(stamp, frame_id)
            self._objects.publish(messages.instances(header, picture.space.objects, self._classes))
        if self._label.get_subscription_count():
            self._label.publish(messages.serialized_image(stamp, frame_id, picture.label, "mono8"))
