"""Qualities of service: newest first in, reliable out."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def output_qos() -> QoSProfile:
    """Returns what the node publishes with: reliable, so that every subscriber matches; only the newest is kept."""
    return _newest(ReliabilityPolicy.RELIABLE)


def camera_qos(reliable: bool) -> QoSProfile:
    """Returns what images of a camera travel with: a queue would only make frames older, so the depth is 1."""
    return _newest(ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT)


def match_publisher(node: Node, topic: str, reliability: str = "auto") -> QoSProfile:
    """Returns what hears every publisher that `topic` has now, unless `reliability` names what to take.

    A reliable subscription gets nothing from a best-effort publisher; a best-effort one hears both kinds.
    Reliable is worth having, because a large image is many packets and losing one loses the frame; so it is
    asked for where every publisher offers it. With no publisher yet, best effort will match whatever comes.
    """
    if reliability != "auto":
        return camera_qos(reliable=reliability == "reliable")
    publishers = node.get_publishers_info_by_topic(topic)
    kinds = {publisher.qos_profile.reliability for publisher in publishers}
    return camera_qos(reliable=kinds == {ReliabilityPolicy.RELIABLE})


def info_qos(node: Node, topic: str) -> QoSProfile:
    """Returns what hears every publisher that a camera's `camera_info` has now, with those that are latched.

    They are small and belong to images, so more than the newest is queued.
    """
    publishers = [publisher.qos_profile for publisher in node.get_publishers_info_by_topic(topic)]
    qos = match_publisher(node, topic)
    qos.depth = 10
    if {publisher.durability for publisher in publishers} == {DurabilityPolicy.TRANSIENT_LOCAL}:
        qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return qos


def _newest(reliability: ReliabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=reliability,
        durability=DurabilityPolicy.VOLATILE,
    )
