"""One camera of the node: its subscription, its output topics, its counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.diagnostics import Health, Look
from seg_ros.ros.outputs import Publishers
from seg_ros.ros.parameters import Parameters
from seg_ros.ros.qos import match_publisher
from seg_ros.mailbox import Statistics
from seg_ros.watchdog import Watchdog


def camera_names(topics: Sequence[str]) -> list[str]:
    """A short name for each of several camera topics, which their outputs are below.

    It is the namespace of the camera, as image_transport lays topics out (`/front/image_raw/compressed` -> `front`);
    with as much of what is above as makes the names differ, and at last the whole topic.

    Args:
        topics: resolved.

    Raises:
        ValueError: two of them cannot be told apart.
    """
    parts = [[part for part in topic.removesuffix("/compressed").split("/") if part] for topic in topics]
    for depth in range(1, max(map(len, parts))):
        names = ["_".join(part[:-1][-depth:]) for part in parts]
        if all(names) and len(set(names)) == len(names):
            return names
    names = [topic.strip("/").replace("/", "_") for topic in topics]
    if len(set(names)) < len(names):
        raise ValueError(f"parameter 'input_topics': got {list(topics)}, allowed: topics of different names")
    return names


class Pace:
    """Lets through so many frames a second in the long run; a frame that is half a period early still passes."""

    def __init__(self) -> None:
        self._rate = self._due = 0.0

    def admits(self, now: float, rate: float) -> bool:
        """Whether a frame at `now` (s, monotonic) passes. `rate` in Hz; 0.0 is no limit."""
        if not rate:
            return True
        if rate != self._rate:
            self._rate, self._due = rate, 0.0
        early = self._due - now
        if early > 0.5 / rate:
            return False
        self._due = max(self._due, now - 0.5 / rate) + 1.0 / rate
        return True


class Stream:
    """One camera. All of it runs on the executor's thread, but what the statistics and the outputs do.

    Args:
        topic: of the camera, resolved; one that ends in /compressed carries `CompressedImage`.
        name: that outputs and diagnostics are below; empty where the node has one camera only.
        task: of the network, for the outputs.
        take: gets this stream and a serialised message; called for each frame that is not dropped at once.
        failed: gets this stream and what went wrong with a message.

    Attributes:
        largest: bytes of the largest message so far.
    """

    def __init__(
        self,
        node: LifecycleNode,
        topic: str,
        name: str,
        task: str,
        take: Callable[[Stream, bytes], None],
        failed: Callable[[Stream, Exception], None],
    ) -> None:
        self._node, self._take, self._failed = node, take, failed
        self.topic, self.name = topic, name
        self.kind = CompressedImage if self.topic.endswith("/compressed") else Image
        self.statistics, self.health = Statistics(), Health()
        self.outputs = Publishers(node, task, name)
        self.largest = 0
        self._subscription: Any = None
        self._qos: QoSProfile | None = None
        self._last: tuple[bytes | None, int] = (None, 0)
        self._pace = Pace()
        self._max_rate = 0.0

    @property
    def subscribed(self) -> bool:
        return self._subscription is not None

    def look(self, parameters: Parameters, watchdog: Watchdog | None) -> Look:
        """At this camera, now. `watchdog`: of the inference; None while the node is not active."""
        state = "segmenting" if self.subscribed else "idle" if parameters.enabled else "disabled"
        return Look(
            time.monotonic(),
            state if watchdog else "inactive",
            self.topic,
            self._node.count_publishers(self.topic) > 0,
            self.statistics.counts(),
            watchdog.busy if watchdog else 0.0,
            watchdog.seconds if watchdog else 0.0,
        )

    def follow(self, parameters: Parameters) -> None:
        """Subscribes while somebody wants an output, with the quality of service that the camera publishes with.

        A camera whose frames nobody wants is not even received: a 1080p camera would cost a tenth of a core.
        """
        self._max_rate = parameters.max_rate
        if not (parameters.enabled and self.outputs.wanted()):
            self.release()
            return
        qos = match_publisher(self._node, self.topic, parameters.input_reliability)
        if self.subscribed and qos == self._qos:
            return
        self.release()
        self._subscription = self._node.create_subscription(self.kind, self.topic, self._on_message, qos, raw=True)
        self._qos = qos
        reliability = qos.reliability.name.lower().replace("_", " ")
        self._node.get_logger().info(f"subscribed to {self.topic}, {reliability}")

    def release(self) -> None:
        """Unsubscribes."""
        if self.subscribed:
            self._node.destroy_subscription(self._subscription)
            self._subscription, self._last = None, (None, 0)

    def destroy(self) -> None:
        """Takes subscription and outputs off the graph."""
        self.release()
        self.outputs.destroy()

    def _on_message(self, message: bytes, info: dict) -> None:
        try:
            self.statistics.arrived()
            self.largest = max(self.largest, len(message))
            self.statistics.lost(self._missing(info))
            if self._pace.admits(time.monotonic(), self._max_rate):
                self._take(self, message)
            else:
                self.statistics.drop("rate")
        except Exception as error:  # it would end the executor, and the node
            self._failed(self, error)

    def _missing(self, info: dict) -> int:
        """Frames between this one and the last, by the numbers that their publisher gave them.

        The middleware loses images that do not fit its buffers, and keeps only the newest, without a word.
        """
        publisher, number = (info.get("publisher_gid") or {}).get("data"), info.get("publication_sequence_number")
        if number is None:
            return 0  # this middleware does not number
        before, last = self._last
        self._last = publisher, number
        return max(0, number - last - 1) if publisher == before and last else 0
