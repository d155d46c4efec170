"""The cameras of a configured node: what each is called, counts and publishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.diagnostics import Health
from seg_ros.ros.names import camera_names
from seg_ros.ros.outputs import OUTPUTS, Publishers, above
from seg_ros.ros.traffic import Traffic
from seg_ros.statistics import Statistics


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """One camera of the node, from configure to clean-up.

    Attributes:
        topic: of its images, resolved; one that ends in /compressed carries `CompressedImage`.
        name: that outputs and diagnostics are below; empty where the node has one camera only.
        publishers: of its outputs.
    """

    topic: str
    name: str
    publishers: Publishers
    statistics: Statistics = dataclasses.field(default_factory=Statistics)
    health: Health = dataclasses.field(default_factory=Health)
    traffic: Traffic = dataclasses.field(default_factory=Traffic)

    @property
    def kind(self) -> type:
        """Returns the type of the messages on the topic."""
        return CompressedImage if self.topic.endswith("/compressed") else Image


def named(node: Node, topics: Sequence[str]) -> list[tuple[str, str]]:
    """Returns the resolved topic of each camera, and its name; that of a node's only camera is empty.

    Raises:
        ValueError: see `camera_names` and `check_outputs`.
    """
    topics = [node.resolve_topic_name(topic) for topic in topics]
    names = camera_names(topics) if len(topics) > 1 else [""]
    check_outputs(node, topics, names)
    return list(zip(topics, names, strict=True))


def check_outputs(node: Node, topics: Sequence[str], names: Sequence[str]) -> None:
    """Checks that the node can publish what it makes of its cameras, and does not read it again.

    Args:
        topics: of the cameras, resolved.
        names: of the cameras.

    Raises:
        ValueError: an output's topic would be no topic, or is a camera's.
    """
    for output in (above(name) + output for name in names for output in OUTPUTS):
        try:
            topic = node.resolve_topic_name(output)
        except RuntimeError as error:  # rclpy's RCLError
            raise ValueError(f"output {output!r} is no topic name: {error}; give the cameras shorter topics") from error
        if topic in topics:
            raise ValueError(f"parameter 'input_topic': got {topic!r}, an own output; allowed: a camera's topic")
