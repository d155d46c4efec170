"""Looks around a node on the graph, and says what is wrong there: images that cannot come, another node of its name."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from seg_ros.ros.camera_info import TOPIC, info_topic
from seg_ros.ros.cameras import Camera
from seg_ros.ros.qos import match_publisher

_PATIENCE = 2.0
"""Seconds that something is wrong before it is said: processes that start together find each other one by one."""
_AGAIN = 30.0
"""Seconds until it is said again."""
_NAMED = 5
"""Most topics that are named."""


class Reminder:
    """Says when to warn of something: once it has lasted for a while, and every 30 s while it lasts."""

    def __init__(self) -> None:
        self._wrong, self._due = "", 0.0

    def due(self, wrong: str, now: float) -> bool:
        """Returns whether to warn at `now` (s, monotonic) of what is `wrong`; empty is nothing."""
        if wrong != self._wrong:
            self._wrong, self._due = wrong, now + _PATIENCE
        if not wrong or now < self._due:
            return False
        self._due = now + _AGAIN
        return True


class Surroundings:
    """Warns in the log of a node of what is wrong around it. Call it about once a second."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._reminders: defaultdict[str, Reminder] = defaultdict(Reminder)

    def look(self, cameras: Sequence[Camera], reliability: str, now: float) -> str:
        """Returns what is wrong with the node's name; empty if nothing is.

        Args:
            cameras: whose images the node waits for.
            reliability: parameter `input_reliability`.
            now: seconds of a monotonic clock.
        """
        name = same_name(self._node)
        if self._reminders[""].due(name, now):
            self._node.get_logger().warning(name)
        for camera in cameras:
            why = no_images(self._node, camera, reliability)
            if self._reminders[camera.topic].due(why, now):
                self._node.get_logger().warning(f"{why}; {published_images(self._node, camera.topic)}")
            why = no_info(self._node, camera)
            if self._reminders[info_topic(camera.topic)].due(why, now):
                self._node.get_logger().warning(why)
        return name


def same_name(node: Node) -> str:
    """Says that another node has the same name: who talks to one of them reaches either. Empty if none has."""
    mine = node.get_name(), node.get_namespace()
    others = node.get_node_names_and_namespaces().count(mine) - 1
    if others < 1:
        return ""
    name = node.get_fully_qualified_name()
    return (
        f"{others} more on this graph with the name {name}: start one of them with another name "
        "(--ros-args -r __node:=NAME) or namespace (-r __ns:=/NAME)"
    )


def no_images(node: Node, camera: Camera, reliability: str) -> str:
    """Says why no image can come from a camera: nobody publishes it, or only what the node does not hear.

    Args:
        reliability: parameter `input_reliability`.

    Returns: empty if images can come.
    """
    topic, expected = camera.topic, _type(camera.kind)
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f"no images: nobody publishes {topic}"
    right = [publisher for publisher in publishers if publisher.topic_type == expected]
    if not right:
        found = ", ".join(sorted({publisher.topic_type for publisher in publishers}))
        hint = " (of a topic that ends in /compressed)" if camera.kind is CompressedImage else ""
        return f"no images: {topic} has the type {found}, expected {expected}{hint}"
    qos = match_publisher(node, topic, reliability)
    checks = [qos_check_compatible(publisher.qos_profile, qos) for publisher in right]
    if all(compatible == QoSCompatibility.ERROR for compatible, _ in checks):
        return f"no images: {topic} is published with another quality of service than input_reliability: {checks[0][1]}"
    return ""


def no_info(node: Node, camera: Camera) -> str:
    """Says why `~/camera_info` of a camera is not published, although somebody subscribes: none has come.

    Returns: empty if one has, or nobody subscribes.
    """
    if TOPIC not in camera.publishers.wanted() or not camera.infos.empty:
        return ""
    topic, expected = node.resolve_topic_name(info_topic(camera.topic)), _type(CameraInfo)
    found = {publisher.topic_type for publisher in node.get_publishers_info_by_topic(topic)}
    if not found:
        return f"no camera_info: nobody publishes {topic}"
    if expected not in found:
        return f"no camera_info: {topic} has the type {', '.join(sorted(found))}, expected {expected}"
    return f"no camera_info: {topic} is published, but none has come that can be read"


def published_images(node: Node, topic: str) -> str:
    """Says which images others publish, those whose names are most like `topic` first."""
    kinds = {_type(Image), _type(CompressedImage)}
    own = {name for name, _ in node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace())}
    names = [
        name
        for name, types in node.get_topic_names_and_types()
        if name not in own | {topic} and kinds & set(types) and node.count_publishers(name)
    ]
    if not names:
        return f"no other image topic is published (ROS_DOMAIN_ID is {os.environ.get('ROS_DOMAIN_ID') or 0})"
    names.sort(key=lambda name: -difflib.SequenceMatcher(None, topic, name).ratio())
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"published images, the most similar name first: {', '.join(names[:_NAMED])}{more}"


def _type(kind: type) -> str:
    return f"sensor_msgs/msg/{kind.__name__}"
