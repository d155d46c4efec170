"""The node's output topics: one table from topic to what fills it, and the publishers of a configured node."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_ros import overlay
from seg_ros.classes import ClassMap
from seg_ros.models import INSTANCES, TASKS
from seg_ros.results import Result, SemanticMap
from seg_ros.ros import messages
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.qos import output_qos
from seg_ros_msgs.msg import InstanceMaskArray


class Outcome:
    """One segmented frame, for the topics. What several topics share is made once, and only if one of them needs it."""

    def __init__(self, result: Result, classes: ClassMap, parameters: Parameters) -> None:
        self.frame, self.output = result.frame, result.output
        self.classes, self.parameters = classes, parameters

    @functools.cached_property
    def header(self) -> Header:
        return messages.header(self.frame)

    def image(self, pixels: np.ndarray, encoding: str) -> bytes:
        """Makes a serialised image with the frame's own stamp and frame_id."""
        return messages.serialized_image(self.frame.stamp, self.frame.frame_id, pixels, encoding)

    def jpeg(self, bgr: np.ndarray) -> bytes:
        """Makes a serialised compressed image with the frame's own stamp and frame_id."""
        return messages.serialized_jpeg(self.frame.stamp, self.frame.frame_id, bgr, self.parameters.jpeg_quality)

    @functools.cached_property
    def semantic(self) -> SemanticMap:
        """Returns the class of each pixel: with objects that of the best-scored one."""
        return self.output.semantic()

    @functools.cached_property
    def overlay(self) -> np.ndarray:
        """Draws the output over the frame, `(H, W, 3) uint8` BGR."""
        return overlay.draw(self.output, self.frame, self.classes, self.parameters.overlay_alpha)


class Output(NamedTuple):
    """A row of `OUTPUTS`.

    Attributes:
        message: type of the topic.
        fill: makes the message, or one serialised.
        tasks: of the networks that have the topic.
        confidence: whether it is made from the confidence of a semantic map.
    """

    message: type
    fill: Callable[[Outcome], Any]
    tasks: tuple[str, ...] = TASKS
    confidence: bool = False


_OBJECTS = (INSTANCES,)

OUTPUTS: dict[str, Output] = {
    "label": Output(Image, lambda o: o.image(o.semantic.label, "mono8")),
    "confidence": Output(Image, lambda o: o.image(o.semantic.confidence, "mono8"), confidence=True),
    "color": Output(Image, lambda o: o.image(overlay.colorize(o.semantic.label, o.classes.palette()), "rgb8")),
    "overlay": Output(Image, lambda o: o.image(o.overlay, "bgr8")),
    "overlay/compressed": Output(CompressedImage, lambda o: o.jpeg(o.overlay)),
    "instances": Output(InstanceMaskArray, lambda o: messages.instances(o.header, o.output, o.classes), _OBJECTS),
    "instance_ids": Output(Image, lambda o: o.image(o.output.ids(), "16UC1"), _OBJECTS),
    "track_ids": Output(Image, lambda o: o.image(o.output.track_ids(), "16UC1"), _OBJECTS),
}
"""Rows by topic below the node's name, or the camera's where there are several. Without subscriber none is filled."""

if messages.vision is not None:
    OUTPUTS["detections"] = Output(
        messages.vision.Detection2DArray, lambda o: messages.detections(o.header, o.output, o.classes), _OBJECTS
    )


def above(camera: str) -> str:
    """Returns what the topics of a camera are below; an empty name is that of a node's only camera."""
    return f"~/{camera}/" if camera else "~/"


class Publishers:
    """The output topics of one camera: the table's rows for the node's task.

    Args:
        camera: name that the topics are below; empty: the node's own name.
    """

    def __init__(self, node: LifecycleNode, task: str, camera: str = "") -> None:
        self._node = node
        self._publishers: dict[str, Any] = {}
        options = QoSOverridingOptions.with_default_policies()
        try:
            for name in (name for name, row in OUTPUTS.items() if task in row.tasks):
                self._publishers[name] = node.create_lifecycle_publisher(
                    OUTPUTS[name].message, above(camera) + name, output_qos(), qos_overriding_options=options
                )
        except Exception:  # a wrong override
            self.destroy()
            raise

    def wanted(self) -> list[str]:
        """Returns the topics that have a subscriber."""
        return [name for name, publisher in self._publishers.items() if publisher.get_subscription_count()]

    def publish(self, outcome: Outcome, topics: Sequence[str]) -> None:
        """Fills and publishes these topics."""
        for name in topics:
            self._publishers[name].publish(OUTPUTS[name].fill(outcome))

    def destroy(self) -> None:
        """Takes the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}


class LabelInfo:
    """Publishes `~/label_info`, latched: class id -> name. Needs vision_msgs."""

    def __init__(self, node: LifecycleNode, classes: ClassMap) -> None:
        self._node, self._classes = node, classes
        self._publisher = None
        if messages.vision is not None:
            # Not a life-cycle publisher: those publish in the active state only, and this is published at configure.
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._publisher = node.create_publisher(messages.vision.LabelInfo, "~/label_info", latched)
        else:
            node.get_logger().info("vision_msgs is not installed: no ~/label_info, no ~/detections", once=True)

    def tell(self, threshold: float) -> None:
        """Publishes the names; `threshold` is the score, 0..1, below which nothing is published."""
        if self._publisher is not None:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            self._publisher.publish(messages.label_info(header, self._classes, threshold))

    def destroy(self) -> None:
        """Takes the topic off the graph."""
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
