"""The node's output topics: one table from topic to what fills it, and the publishers of a configured node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
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
        self.frame, self.result, self.classes, self.parameters = frame, result, classes, parameters

    @functools.cached_property
    def header(self) -> Header:
        return messages.header(self.frame)

    def image(self, pixels: np.ndarray, encoding: str) -> bytes:
        """A serialised image with the frame's own stamp and frame_id."""
        return messages.serialized_image(self.frame.stamp, self.frame.frame_id, pixels, encoding)

    def jpeg(self, bgr: np.ndarray) -> bytes:
        """A serialised compressed image with the frame's own stamp and frame_id."""
        return messages.serialized_jpeg(self.frame.stamp, self.frame.frame_id, bgr, self.parameters.jpeg_quality)

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
    """A topic's message type, what fills it (a message, or one serialised), and the segmenter's tasks that have it."""

    message: type
    fill: Callable[[Outcome], Any]
    tasks: tuple[str, ...] = ("semantic", "instances")


_OBJECTS = ("instances",)

OUTPUTS: dict[str, Output] = {
    "label": Output(Image, lambda o: o.image(o.semantic.label, "mono8")),
    "confidence": Output(Image, lambda o: o.image(o.semantic.confidence, "mono8")),
    "color": Output(Image, lambda o: o.image(overlay.colorize(o.semantic.label, o.classes.palette()), "rgb8")),
    "overlay": Output(Image, lambda o: o.image(o.overlay, "bgr8")),
    "overlay/compressed": Output(CompressedImage, lambda o: o.jpeg(o.overlay)),
    "instances": Output(InstanceMaskArray, lambda o: messages.instances(o.header, o.result, o.classes), _OBJECTS),
    "instance_ids": Output(Image, lambda o: o.image(o.result.ids(), "16UC1"), _OBJECTS),
}
"""By topic below the node's name, or the camera's where there are several. One without subscriber is not filled."""

if messages.vision is not None:
    OUTPUTS["detections"] = Output(
        messages.vision.Detection2DArray, lambda o: messages.detections(o.header, o.result, o.classes), _OBJECTS
    )


class Publishers:
    """The output topics of one camera: the table's rows for the node's task.

    Args:
        camera: name that the topics are below; empty: they are the node's own.
    """

    def __init__(self, node: LifecycleNode, task: str, camera: str = "") -> None:
        self._node = node
        above = f"~/{camera}/" if camera else "~/"
        self._publishers: dict[str, Any] = {}
        options = QoSOverridingOptions.with_default_policies()
        try:
            for name in (name for name, row in OUTPUTS.items() if task in row.tasks):
                self._publishers[name] = node.create_lifecycle_publisher(
                    OUTPUTS[name].message, above + name, output_qos(), qos_overriding_options=options
                )
        except Exception:  # a wrong override
            self.destroy()
            raise

    def wanted(self) -> list[str]:
        """The topics that somebody subscribes to."""
        return [name for name, publisher in self._publishers.items() if publisher.get_subscription_count()]

    def publish(self, outcome: Outcome) -> None:
        """Fills and publishes the wanted topics."""
        for name in self.wanted():
            self._publishers[name].publish(OUTPUTS[name].fill(outcome))

    def destroy(self) -> None:
        """Takes the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}


class LabelInfo:
    """`~/label_info`, latched: class id -> name, for whoever subscribes now or later. Needs vision_msgs."""

    def __init__(self, node: LifecycleNode, task: str, classes: ClassMap) -> None:
        self._node, self._task, self._classes = node, task, classes
        self._publisher = None
        if messages.vision is not None:
            # Not a life-cycle publisher: those publish in the active state only, and this is said at configure.
            latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._publisher = node.create_publisher(messages.vision.LabelInfo, "~/label_info", latched)
        else:
            node.get_logger().info("vision_msgs is not installed: no ~/label_info, no ~/detections", once=True)

    def tell(self, parameters: Parameters) -> None:
        if self._publisher is not None:
            header = Header(stamp=self._node.get_clock().now().to_msg())
            threshold = parameters.score_threshold if self._task == "instances" else 0.0
            self._publisher.publish(messages.label_info(header, self._classes, threshold))

    def destroy(self) -> None:
        if self._publisher is not None:
            self._node.destroy_publisher(self._publisher)
            self._publisher = None
