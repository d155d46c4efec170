"""The node's output topics: one table from topic to what fills it, and the publishers of a configured node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_ros import overlay
from seg_ros.classes import ClassMap
from seg_ros.results import Frame, Instances, SemanticMap
from seg_ros.ros import messages
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.qos import output_qos
from seg_ros_msgs.msg import InstanceMaskArray


class Outcome:
    """One segmented frame; what several outputs share is made once, and only if one of them asks."""

    def __init__(
        self, frame: Frame, result: SemanticMap | Instances, classes: ClassMap, parameters: Parameters
    ) -> None:
        self.header = messages.header(frame)
        self.frame, self.result, self.classes, self.parameters = frame, result, classes, parameters

    @functools.cached_property
    def semantic(self) -> SemanticMap:
        """The result itself, or the class of the best-scored object at each pixel."""
        return self.result.semantic() if isinstance(self.result, Instances) else self.result

    @functools.cached_property
    def overlay(self) -> np.ndarray:
        alpha = self.parameters.overlay_alpha
        if isinstance(self.result, Instances):
            return overlay.instances(self.frame, self.result, self.classes, alpha)
        return overlay.overlay(self.frame, self.result.label, self.classes.palette(), alpha)


class Output(NamedTuple):
    """A topic's message type, what fills it, and the segmenter's tasks that have it."""

    message: type
    fill: Callable[[Outcome], Any]
    tasks: tuple[str, ...] = ("semantic", "instances")


_OBJECTS = ("instances",)

OUTPUTS: dict[str, Output] = {
    "label": Output(Image, lambda o: messages.image(o.header, o.semantic.label, "mono8")),
    "confidence": Output(Image, lambda o: messages.image(o.header, o.semantic.confidence, "mono8")),
    "color": Output(
        Image, lambda o: messages.image(o.header, overlay.colorize(o.semantic.label, o.classes.palette()), "rgb8")
    ),
    "overlay": Output(Image, lambda o: messages.image(o.header, o.overlay, "bgr8")),
    "overlay/compressed": Output(
        CompressedImage, lambda o: messages.compressed(o.header, o.overlay, o.parameters.jpeg_quality)
    ),
    "instances": Output(InstanceMaskArray, lambda o: messages.instances(o.header, o.result, o.classes), _OBJECTS),
    "instance_ids": Output(Image, lambda o: messages.image(o.header, o.result.ids(), "16UC1"), _OBJECTS),
}
"""By topic below the node's name. A topic without subscriber is not filled."""

if messages.vision is not None:
    OUTPUTS["detections"] = Output(
        messages.vision.Detection2DArray, lambda o: messages.detections(o.header, o.result, o.classes), _OBJECTS
    )


class Publishers:
    """The output topics of a configured node: the table's rows for its task, and `~/label_info`."""

    def __init__(self, node: LifecycleNode, task: str, classes: ClassMap) -> None:
        self._node, self._task, self._classes = node, task, classes
        self._outputs = {
            name: node.create_lifecycle_publisher(row.message, f"~/{name}", output_qos())
            for name, row in OUTPUTS.items()
            if task in row.tasks
        }
        self._info = None
        if messages.vision is not None:
            # Not a life-cycle publisher: those publish in the active state only, and this is said at configure.
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._info = node.create_publisher(messages.vision.LabelInfo, "~/label_info", latched)
        else:
            node.get_logger().info("vision_msgs is not installed: no ~/label_info, no ~/detections", once=True)

    def tell_classes(self, parameters: Parameters) -> None:
        """Publishes `~/label_info`, latched: whoever subscribes later has it too."""
        if self._info is not None:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            threshold = parameters.score_threshold if self._task == "instances" else 0.0
            self._info.publish(messages.label_info(header, self._classes, threshold))

    def wanted(self) -> list[str]:
        """The topics that somebody subscribes to."""
        return [name for name, publisher in self._outputs.items() if publisher.get_subscription_count()]

    def publish(self, outcome: Outcome) -> None:
        """Fills and publishes the wanted topics."""
        for name in self.wanted():
            self._outputs[name].publish(OUTPUTS[name].fill(outcome))

    def destroy(self) -> None:
        """Takes the topics off the graph."""
        for publisher in self._outputs.values():
            self._node.destroy_lifecycle_publisher(publisher)
        if self._info is not None:
            self._node.destroy_publisher(self._info)
        self._outputs, self._info = {}, None
