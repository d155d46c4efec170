"""One topic of the view node: subscribed to while somebody watches, counted, paced."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node

from seg_ros.mailbox import NewestFirst
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.qos import match_publisher
from seg_ros.ros.stamps import age
from seg_ros.ros.subscription import Pace
from seg_ros.viewing.legend import Line

_SECONDS = 3.0
"""Of arrivals that the rate is of."""


class Stream:
    """Puts the newest message of a topic into the mailbox, at most `rate` a second.

    Args:
        name: what people call it.
        kind: of message.
        mailbox: gets this stream and a serialised message.
        show: takes a serialised message and returns its stamp; None where it has none.

    Attributes:
        topic: its name.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        topic: str,
        kind: type,
        rate: float,
        mailbox: NewestFirst[Stream, bytes],
        show: Callable[[bytes], Stamp | None],
    ) -> None:
        self.topic, self.show, self._name = node.resolve_topic_name(topic), show, name
        self._node, self._kind, self._rate, self._mailbox = node, kind, rate, mailbox
        self._subscription: Any = None
        self._pace, self._arrivals, self._stamp = Pace(), deque(maxlen=256), None

    def follow(self, wanted: bool) -> None:
        """Subscribes if it is wanted, with the quality of service that the topic is published with; else not."""
        if not wanted:
            self._close()
            return
        qos = match_publisher(self._node, self.topic)
        if self._subscription is not None and self._subscription.qos_profile.reliability == qos.reliability:
            return
        self._close()
        self._subscription = self._node.create_subscription(self._kind, self.topic, self._receive, qos, raw=True)

    def showed(self, stamp: Stamp | None) -> None:
        """Takes the stamp of what is on the page now."""
        self._stamp = stamp or self._stamp

    def line(self, now: int) -> Line:
        """Returns what is said of it on the page; `now` is the node's clock, ns."""
        since = time.monotonic() - _SECONDS
        recent = [t for t in list(self._arrivals) if t >= since]
        span = recent[-1] - recent[0] if len(recent) > 1 else 0.0
        rate = (len(recent) - 1) / span if span else 0.0
        return Line(self._name, self.topic, rate, None if self._stamp is None else age(self._stamp, now))

    def _close(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription, self._stamp = None, None
            self._arrivals.clear()

    def _receive(self, message: bytes) -> None:
        now = time.monotonic()
        self._arrivals.append(now)
        if self._pace.admits(now, self._rate):
            self._mailbox.put(self, message)
