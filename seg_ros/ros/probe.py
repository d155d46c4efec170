"""A probe node: collects what a segmentation node publishes, compares it with the truth, and gives figures."""

from __future__ import annotations

import functools
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.results import Frame
from seg_ros.ros.figures import Figures
from seg_ros.ros.image_io import decode_compressed, decode_image
from seg_ros.ros.judges import Judge
from seg_ros.ros.qos import camera_qos

_KEEP = 60
"""Truth and camera images that wait for their result; at 30 Hz two seconds."""
_LATE = 2.0
"""Seconds to wait for a report of the node, which comes once a second."""
_SECOND = 1.0
"""Seconds to wait where nobody has ever reported: what publishes the results is no node of ours."""

Messages = OrderedDict[tuple[int, int], Any]
"""Messages by stamp."""


class Probe(Node):
    """Collects results, truth, one camera image and the node's diagnostics.

    Attributes:
        result_topic: where the results are expected.
        results: how many came since the last count began.
        message: the last message of the node's diagnostics; empty if there is none.
        mismatch: why a result could not be compared with its truth; empty if all could.
        picture: a camera image and its result, once both are here.
    """

    def __init__(self, node: str, camera_topic: str, judge: Judge, truth_topics: Mapping[str, str]) -> None:
        """Subscribes to a node and to its truth.

        Args:
            node: full name of the segmentation node.
            camera_topic: that the node segments.
            judge: compares the node's results with the truth.
            truth_topics: by the kinds of truth; the judge's are used.
        """
        super().__init__("probe")
        self.result_topic = f"{node}/{judge.topic}"
        self.message = self.mismatch = ""
        self.picture: tuple[Frame, Any] | None = None
        self._node_name, self._camera_topic, self._judge = node, camera_topic, judge
        self._ages: list[float] = []  # ms
        self._arrivals: list[float] = []  # s of the monotonic clock
        self._report: dict[str, str] = {}
        self._before: dict[str, str] = {}
        self._reports = 0
        self._truths: dict[str, Messages] = {kind: OrderedDict() for kind in judge.truths}
        self._images: Messages = OrderedDict()
        self._results: Messages = OrderedDict()
        self._camera = None
        self.create_subscription(judge.message, self.result_topic, self._on_result, QoSProfile(depth=5))
        for kind, store in self._truths.items():
            take = functools.partial(self._on_truth, store)
            self.create_subscription(Image, truth_topics[kind], take, QoSProfile(depth=5))
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    @property
    def results(self) -> int:
        return len(self._arrivals)

    def wait_for_first(self, seconds: float) -> bool:
        """Spins until a result came, the node has failed to start, or the time is over; returns whether one came."""
        failed = ("configure failed", "activate failed")
        self._spin(seconds, lambda: self.results or any(words in self.message for words in failed))
        return bool(self.results)

    def watch(self, seconds: int) -> Iterator[Figures]:
        """Counts anew, and yields the figures once a second. What came before was discovery and compiling.

        The count goes from one report of the node to another, so that its figures and ours are of the same seconds.
        """
        self._next_report()
        self._before = self._report
        self._judge.reset()
        self._ages.clear()
        self._arrivals.clear()
        for second in range(seconds):
            if second == seconds // 2:
                self._take_picture()
            self._next_report()
            yield self._figures(self._judge.live())

    def figures(self) -> Figures:
        """Returns all figures of the count."""
        return self._figures(self._judge.figures())

    def _figures(self, quality: dict[str, Any]) -> Figures:
        count = len(self._arrivals)
        span = self._arrivals[-1] - self._arrivals[0] if count > 1 else 0.0
        ages = np.percentile(self._ages, (50, 99)).round(1).tolist() if count else (None, None)
        dropped = {k.removeprefix("dropped/"): self._since(k) for k in self._report if k.startswith("dropped/")}
        stages = {k.removeprefix("p50/"): float(v) for k, v in self._report.items() if k.startswith("p50/")}
        stages.pop("age", None)  # not a stage
        return Figures(
            frames_in=self._since("frames_in"),
            labels_out=count,
            dropped={reason: frames for reason, frames in dropped.items() if frames},
            fps=round((count - 1) / span, 2) if span else 0.0,
            age_p50_ms=ages[0],
            age_p99_ms=ages[1],
            stages_ms=stages,
            engine=self._report.get("engine", "none"),
            quality=quality,
        )

    def _since(self, key: str) -> int:
        return int(self._report.get(key, 0)) - int(self._before.get(key, 0))

    def _take_picture(self) -> None:
        """Keeps camera images from now on, until one has its result."""
        if self._camera is None and self.picture is None:
            kind = CompressedImage if self._camera_topic.endswith("/compressed") else Image
            take = functools.partial(_remember, self._images)
            self._camera = self.create_subscription(kind, self._camera_topic, take, camera_qos(False))

    def _on_result(self, result: Any) -> None:
        now = self.get_clock().now().nanoseconds
        stamp = _stamp(result)
        self._ages.append(1e-6 * (now - stamp[0] * 10**9 - stamp[1]))
        self._arrivals.append(time.monotonic())
        _remember(self._results, result)
        self._compare(stamp)
        if stamp in self._images and self.picture is None:
            image = self._images[stamp]
            decode = decode_compressed if isinstance(image, CompressedImage) else decode_image
            self.picture = decode(image), result
            self.destroy_subscription(self._camera)
            self._images.clear()

    def _on_truth(self, store: Messages, truth: Image) -> None:
        _remember(store, truth)
        self._compare(_stamp(truth))

    def _compare(self, stamp: tuple[int, int]) -> None:
        """Compares the result of that stamp with its truth, once all of it is there."""
        stores = list(self._truths.values())
        if stamp not in self._results or not all(stamp in store for store in stores):
            return
        try:
            self._judge.add(tuple(store.pop(stamp) for store in stores), self._results[stamp])
        except ValueError as error:  # of another size
            self.mismatch = str(error)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == f"{self._node_name}: segmentation":
                self._report, self.message = {v.key: v.value for v in status.values}, status.message
                self._reports += 1

    def _next_report(self) -> None:
        seen = self._reports
        self._spin(_LATE if seen else _SECOND, lambda: self._reports > seen)

    def _spin(self, seconds: float, until: Callable[[], Any]) -> None:
        """Spins until `until()` is true, at most for `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and rclpy.ok():
            rclpy.spin_once(self, timeout_sec=0.05)
            if until():
                return


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def _remember(store: Messages, message: Any) -> None:
    store[_stamp(message)] = message
    while len(store) > _KEEP:
        store.popitem(last=False)
