"""The node's output topics: one table from topic to what fills it, and the publishers of a configured node."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import ImageMarker

from seg_ros import autoware, outlines, overlay
from seg_ros.classes import ClassMap
from seg_ros.masks import Hold, widened
from seg_ros.models import INSTANCES, TASKS
from seg_ros.results import Instances, Result, SemanticMap
from seg_ros.ros import camera_info, messages
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.qos import output_qos
from seg_ros_msgs.msg import InstanceMaskArray


class Outcome:
    """One segmented frame, for the topics. What several topics share is made once, and only if one of them needs it.

    Args:
        info: the camera's calibration for this frame, where it is wanted and there is one.
    """

    def __init__(
        self, result: Result, classes: ClassMap, parameters: Parameters, info: CameraInfo | None = None
    ) -> None:
        self.frame, self.output = result.frame, result.output
        self.classes, self.parameters, self.info = classes, parameters, info

    @functools.cached_property
    def header(self) -> Header:
        return messages.header(self.frame)

    def image(self, pixels: np.ndarray, encoding: str) -> bytes:
        """Makes a serialised image with the frame's own stamp and frame_id."""
        return messages.serialized_image(self.frame.stamp, self.frame.frame_id, pixels, encoding)

    def jpeg(self, bgr: np.ndarray) -> bytes:
        """Makes a serialised compressed image with the frame's own stamp and frame_id."""
        return messages.serialized_jpeg(self.frame.stamp, self.frame.frame_id, bgr, self.parameters.jpeg_quality)

    def run_lengths(self) -> bytes:
        """Makes a serialised image of run lengths in Autoware's ids, with the frame's own stamp and frame_id."""
        ids = autoware.ids(self.classes.names, self.parameters.autoware_classes)
        return messages.serialized_run_lengths(self.frame.stamp, self.frame.frame_id, self.semantic.label, ids)

    def outlines(self) -> bytes:
        """Makes a serialised marker of all outlines, with the frame's own stamp and frame_id."""
        ids = self.classes.ids(self.parameters.outlined(self.classes))
        found = outlines.outlines(self.output, ids, self.parameters.outline_tolerance)
        if isinstance(self.output, Instances) and self.output.coasting is not None:
            found += outlines.dashed(self.output.coasting, ids)
        return messages.serialized_outlines(self.frame.stamp, self.frame.frame_id, found, self.classes)

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
        fill: makes the message, or one serialised; None where there is none for this frame.
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
    "mask_rle": Output(Image, lambda o: o.run_lengths()),
    "outlines": Output(ImageMarker, lambda o: o.outlines()),
    camera_info.TOPIC: Output(CameraInfo, lambda o: o.info),
    "instances": Output(InstanceMaskArray, lambda o: messages.instances(o.header, o.output, o.classes), _OBJECTS),
    "instance_ids": Output(Image, lambda o: o.image(o.output.ids(), "16UC1"), _OBJECTS),
    "track_ids": Output(Image, lambda o: o.image(o.output.track_ids(), "16UC1"), _OBJECTS),
}
"""Rows by topic below the node's name, or the camera's where there are several. Without subscriber none is filled."""

if messages.vision is not None:
    OUTPUTS["detections"] = Output(
        messages.vision.Detection2DArray, lambda o: messages.detections(o.header, o.output, o.classes), _OBJECTS
    )


def rows(task: str, masks: Sequence[str] = ()) -> dict[str, Output]:
    """Returns the rows of one camera: those of `OUTPUTS` for the task of the network, and one for each mask.

    Args:
        masks: their names.
    """
    fixed = {name: row for name, row in OUTPUTS.items() if task in row.tasks}
    return fixed | {topic: Output(Image, _mask(name)) for topic, name in mask_topics(masks).items()}


def mask_topics(masks: Sequence[str]) -> dict[str, str]:
    """Returns the names of the masks by topic."""
    return {f"mask/{name}": name for name in masks}


def _mask(name: str) -> Callable[[Outcome], bytes]:
    """Fills the topic of the mask `name` of one camera, whose pixels it may hold for a while."""
    hold = Hold()

    def fill(o: Outcome) -> bytes:
        classes, margin = o.parameters.mask_classes(name), o.parameters.mask_margin
        mask = widened(o.output.mask(o.classes.ids(classes)), margin)
        return o.image(hold.extend(mask, o.frame.stamp, o.parameters.mask_hold, (classes, margin)), "mono8")

    return fill


def above(camera: str) -> str:
    """Returns what the topics of a camera are below; an empty name is that of a node's only camera."""
    return f"~/{camera}/" if camera else "~/"


class Publishers:
    """The output topics of one camera, those that `rows` has.

    Args:
        camera: name that the topics are below; empty: the node's own name.
        masks: names of the masks that are published.
        without: topics that are left out.
    """

    def __init__(
        self,
        node: LifecycleNode,
        task: str,
        camera: str = "",
        masks: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> None:
        self._node = node
        self._rows = {name: row for name, row in rows(task, masks).items() if name not in without}
        self._publishers: dict[str, Any] = {}
        options = QoSOverridingOptions.with_default_policies()
        try:
            for name, row in self._rows.items():
                self._publishers[name] = node.create_lifecycle_publisher(
                    row.message, above(camera) + name, output_qos(), qos_overriding_options=options
                )
        except Exception:  # a wrong override
            self.destroy()
            raise

    def wanted(self) -> list[str]:
        """Returns the topics that have a subscriber."""
        return [name for name, publisher in self._publishers.items() if publisher.get_subscription_count()]

    def need_confidence(self, topics: Sequence[str]) -> bool:
        """Returns whether one of these topics is made from the confidence of a semantic map."""
        return any(self._rows[name].confidence for name in topics)

    def publish(self, outcome: Outcome, topics: Sequence[str]) -> None:
        """Fills and publishes these topics."""
        for name in topics:
            if (message := self._rows[name].fill(outcome)) is not None:
                self._publishers[name].publish(message)

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
