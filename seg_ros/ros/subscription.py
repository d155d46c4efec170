"""Subscribes to one camera while its outputs have subscribers: counts, paces, and puts images into the mailbox."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from rclpy.node import Node
from rclpy.qos import QoSProfile

from seg_ros.mailbox import NewestFirst
from seg_ros.ros.camera_info import TOPIC, InfoSubscription
from seg_ros.ros.cameras import Camera
from seg_ros.ros.failures import LostFrames
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.qos import match_publisher


class Pace:
    """Limits frames to so many a second in the long run; a frame that is half a period early still passes."""

    def __init__(self) -> None:
        self._rate = self._due = 0.0

    def admits(self, now: float, rate: float) -> bool:
        """Returns whether a frame at `now` (s, monotonic) passes. `rate` in Hz; 0.0 is no limit."""
        if not rate:
            return True
        if rate != self._rate:
            self._rate, self._due = rate, 0.0
        early = self._due - now
        if early > 0.5 / rate:
            return False
        self._due = max(self._due, now - 0.5 / rate) + 1.0 / rate
        return True


class SequenceNumbers:
    """Counts what a publisher sent and did not arrive, by the numbers that it gives its messages.

    The middleware loses images that do not fit its buffers, and keeps only the newest, silently.
    """

    def __init__(self) -> None:
        self._publisher: bytes | None = None
        self._last = 0

    def missing(self, info: dict) -> int:
        """Returns how many messages came between this one and the last.

        0 where the middleware does not number, and for the first of a publisher.
        """
        publisher, number = (info.get("publisher_gid") or {}).get("data"), info.get("publication_sequence_number")
        if number is None:
            return 0
        before, last = self._publisher, self._last
        self._publisher, self._last = publisher, number
        return max(0, number - last - 1) if publisher == before and last else 0


class Received(NamedTuple):
    """A serialised image, and the outputs that have subscribers."""

    message: bytes
    topics: list[str]


class Subscription:
    """Receives one camera's images, from activate to deactivate. Images come on the executor's thread.

    Args:
        mailbox: gets each image that is not dropped at once, as the camera's pending one.
        failures: gets what went wrong with a message.
    """

    def __init__(
        self, node: Node, camera: Camera, mailbox: NewestFirst[Camera, Received], failures: LostFrames
    ) -> None:
        self._node, self.camera, self._mailbox, self._failures = node, camera, mailbox, failures
        self._infos = InfoSubscription(node, camera.topic, camera.infos)
        self._subscription: Any = None
        self._qos: QoSProfile | None = None
        self._numbers, self._pace, self._max_rate = SequenceNumbers(), Pace(), 0.0
        self._largest = 0
        self._topics: list[str] = []

    @property
    def open(self) -> bool:
        """Returns whether images are received."""
        return self._subscription is not None

    @property
    def largest(self) -> int:
        """Returns the bytes of the largest message so far."""
        return self._largest

    def follow(self, parameters: Parameters) -> None:
        """Subscribes while an output has a subscriber, with the quality of service that the camera publishes with.

        A camera without such an output is not even received: a 1080p camera would cost a tenth of a core.
        """
        self._max_rate = parameters.max_rate
        self._topics = self.camera.publishers.wanted()
        if not (parameters.enabled and self._topics):
            self.close()
            return
        self._infos.follow(TOPIC in self._topics)
        topic = self.camera.topic
        qos = match_publisher(self._node, topic, parameters.input_reliability)
        if self.open and qos == self._qos:
            return
        self._unsubscribe()
        self._subscription = self._node.create_subscription(self.camera.kind, topic, self._receive, qos, raw=True)
        self._qos = qos
        how, publishers = qos.reliability.name.lower().replace("_", " "), self._node.count_publishers(topic)
        found = f"publishers: {publishers}" if publishers else "nobody publishes it yet"
        self._node.get_logger().info(f"subscribed to {topic}, {how}; {found}")

    def close(self) -> None:
        """Unsubscribes."""
        self._infos.close()
        self._unsubscribe()

    def _unsubscribe(self) -> None:
        if self.open:
            self._node.destroy_subscription(self._subscription)
            self._subscription, self._numbers = None, SequenceNumbers()
            self._node.get_logger().debug(f"unsubscribed from {self.camera.topic}")

    def _receive(self, message: bytes, info: dict) -> None:
        try:
            statistics = self.camera.statistics
            statistics.arrived(self._numbers.missing(info))
            self._largest = max(self._largest, len(message))
            if self._pace.admits(time.monotonic(), self._max_rate):
                self._mailbox.put(self.camera, Received(message, self._topics))
            else:
                statistics.drop("rate")
        except Exception as error:  # it would end the executor, and the node
            self._failures.lost({self.camera: error})
