"""What the lift node subscribes to: measurements, their calibration, and the parts of the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from seg_ros.ros.camera_info import CameraInfos, InfoSubscription
from seg_ros.ros.lift_parameters import LiftParameters
from seg_ros.ros.lifter import CONFIDENCE, LABEL, OBJECTS
from seg_ros.ros.qos import match_publisher
from seg_ros.ros.subscription import SequenceNumbers
from seg_ros_msgs.msg import InstanceMaskArray

_DEPTH = 5
"""Messages that the middleware keeps for a callback: all are matched, so none should be replaced before."""


class LiftInputs:
    """Subscribes while it is wanted, with the quality of service that each topic is published with.

    Args:
        infos: gets the calibrations of the labelled camera.
        depth_infos: gets those of a depth camera that is another; else None.
        measured: called with each serialised measurement, and how many were lost before it.
        labelled: called with the name of a part, its serialised message, and the names of all parts that there are.
    """

    def __init__(
        self,
        node: Node,
        parameters: LiftParameters,
        infos: CameraInfos,
        depth_infos: CameraInfos | None,
        measured: Callable[[bytes, int], None],
        labelled: Callable[[str, bytes, Sequence[str]], None],
    ) -> None:
        self._node, self._measured, self._labelled = node, measured, labelled
        self._above = parameters.segmentation
        self.topic = node.resolve_topic_name(parameters.points_topic or parameters.depth_topic)
        self._kind = PointCloud2 if parameters.points_topic else Image
        own = "" if depth_infos is not None else parameters.depth_topic  # camera_info is beside the images
        self._infos = [InfoSubscription(node, own or f"{self._above}/{LABEL}", infos)]
        if depth_infos is not None:
            self._infos.append(InfoSubscription(node, parameters.depth_topic, depth_infos))
        self._numbers = SequenceNumbers()
        self._parts: Sequence[str] = (LABEL,)
        self._subscriptions: dict[str, Any] = {}

    @property
    def labels(self) -> str:
        """Returns the topic of the labels."""
        return f"{self._above}/{LABEL}"

    @property
    def open(self) -> bool:
        """Returns whether messages are received."""
        return bool(self._subscriptions)

    def follow(self) -> None:
        """Subscribes to what there is, with what it is published with."""
        more = [part for part in (CONFIDENCE, OBJECTS) if self._node.count_publishers(f"{self._above}/{part}")]
        self._parts = (LABEL, *more)

        def take_measurement(message: bytes, info: dict) -> None:
            self._measured(message, self._numbers.missing(info))

        def take_part(part: str) -> Callable[[bytes], None]:
            return lambda message: self._labelled(part, message, self._parts)

        wanted = {self.topic: (self._kind, take_measurement)}
        for part in self._parts:
            kind = InstanceMaskArray if part == OBJECTS else Image
            wanted[f"{self._above}/{part}"] = kind, take_part(part)
        for topic in self._subscriptions.keys() - wanted.keys():  # nobody publishes it: no label would be complete
            self._node.destroy_subscription(self._subscriptions.pop(topic))
        for topic, (kind, take) in wanted.items():
            self._subscribe(kind, topic, take)
        for each in self._infos:
            each.follow(True)

    def close(self) -> None:
        """Unsubscribes."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        for each in self._infos:
            each.close()
        self._subscriptions, self._numbers = {}, SequenceNumbers()

    def _subscribe(self, kind: type, topic: str, take: Callable) -> None:
        qos = match_publisher(self._node, topic)
        qos.depth = _DEPTH
        found = self._subscriptions.get(topic)
        if found is not None and found.qos_profile.reliability == qos.reliability:
            return
        if found is not None:
            self._node.destroy_subscription(found)
        self._subscriptions[topic] = self._node.create_subscription(kind, topic, take, qos, raw=True)
