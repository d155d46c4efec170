"""The cameras of a configured node: what each is called, counts and publishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.camera_info import TOPIC, CameraInfos, info_topic
from seg_ros.ros.diagnostics import Health
from seg_ros.ros.names import camera_names
from seg_ros.ros.outputs import OUTPUTS, Publishers, above, mask_topics
from seg_ros.ros.traffic import Traffic
from seg_ros.statistics import Statistics


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """One camera of the node, from configure to clean-up.

    Attributes:
        topic: of its images, resolved; one that ends in /compressed carries `CompressedImage`.
        name: that outputs and diagnostics are below; empty where the node has one camera only.
        publishers: of its outputs.
        infos: its calibrations, while somebody wants them.
    """

    topic: str
    name: str
    publishers: Publishers
    statistics: Statistics = dataclasses.field(default_factory=Statistics)
    health: Health = dataclasses.field(default_factory=Health)
    infos: CameraInfos = dataclasses.field(default_factory=CameraInfos)
    traffic: Traffic = dataclasses.field(default_factory=Traffic)

    @property
    def kind(self) -> type:
        """Returns the type of the messages on the topic."""
        return CompressedImage if self.topic.endswith("/compressed") else Image


def named(node: Node, topics: Sequence[str], masks: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the resolved topic of each camera, and its name; that of a node's only camera is empty.

    Args:
        topics: of the cameras.
        masks: names of the masks that are published of each.

    Raises:
        ValueError: see `camera_names` and `check_outputs`.
    """
    topics = [node.resolve_topic_name(topic) for topic in topics]
    names = camera_names(topics) if len(topics) > 1 else [""]
    check_outputs(node, topics, names, masks)
    return list(zip(topics, names, strict=True))


def publishers(node: LifecycleNode, task: str, topic: str, name: str, masks: Sequence[str]) -> Publishers:
    """Makes the output topics of a camera.

    Where the node is called as the camera is, its `camera_info` would be the one that it reads: it is left out.

    Args:
        task: of the network.
        topic: of the camera's images, resolved.
        name: of the camera.
        masks: names of the masks that are published.
    """
    own = node.resolve_topic_name(above(name) + TOPIC)
    if own != node.resolve_topic_name(info_topic(topic)):
        return Publishers(node, task, name, masks)
    node.get_logger().warning(f"{own} is the camera's: the node publishes none; rename the node, or remap it")
    return Publishers(node, task, name, masks, without=(TOPIC,))


def check_outputs(node: Node, topics: Sequence[str], names: Sequence[str], masks: Sequence[str]) -> None:
    """Checks that the node can publish what it makes of its cameras, and does not read it again.

    Args:
        topics: of the cameras, resolved.
        names: of the cameras.
        masks: names of the masks that are published of each camera.

    Raises:
        ValueError: an output's topic would be no topic, is a camera's, or is another output's, as remapped.
    """
    infos = {node.resolve_topic_name(info_topic(topic)) for topic in topics}
    taken: dict[str, str] = {}
    for output in (above(name) + output for name in names for output in (*OUTPUTS, *mask_topics(masks))):
        try:
            topic = node.resolve_topic_name(output)
        except RuntimeError as error:  # rclpy's RCLError
            raise ValueError(f"output {output!r} is no topic name: {error}; give the cameras shorter topics") from error
        if topic in topics:
            raise ValueError(f"parameter 'input_topic': got {topic!r}, an own output; allowed: a camera's topic")
        if topic in infos and not output.endswith(f"/{TOPIC}"):  # that one is left out: see `publishers`
            raise ValueError(f"output {output!r}: got {topic!r}, the camera's own; remap it to another topic")
        if topic in taken:
            raise ValueError(f"outputs {taken[topic]!r} and {output!r}: got {topic!r} for both; remap one of them only")
        taken[topic] = output
