"""The view node: what the nodes segmentation and lift say, live on a page in the browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.lifting.boxes import LEVEL, OPTICAL
from seg_ros.lifting.cloud import xyz
from seg_ros.mailbox import NewestFirst
from seg_ros.manifest import read_manifest
from seg_ros.ros import view_parameters
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.clouds import read_labelled
from seg_ros.ros.deserialize import deserialized
from seg_ros.ros.failures import CallbackErrors, legible, reason_of
from seg_ros.ros.image_io import decode_serialized
from seg_ros.ros.view_stream import Stream
from seg_ros.viewing.page import Page
from seg_ros.viewing.space import Solid, thinned

_FOLLOW = 0.2
"""Seconds between looks at who watches, and who publishes."""
_FIGURES = 0.5
"""Seconds between updates of the figures."""
_MOST_BOXES = 256
"""Of an update."""
_TEXT = 40
"""Most characters of what is written above a box."""


class ViewNode(Node):
    """Shows cloud, boxes, overlay and camera on a page. Started as `ros2 run seg_ros view`.

    Without a browser nothing is subscribed to. Of each topic the newest message is shown, on a thread of its own.

    Args:
        options: of `rclpy.node.Node`.

    Raises:
        ValueError: a parameter is not allowed.
        WeightsError: the weights cannot be read.
    """

    def __init__(self, name: str = "view", **options: Any) -> None:
        super().__init__(name, **options)
        self.callback_errors = CallbackErrors(self)
        p = view_parameters.declared(self)
        self._most, self._ground, self._logged = p.points, LEVEL, -1.0
        self._eye: str | None = None  # frame_id of the pictures
        self._page = Page(read_manifest(p.weights).classes, host=p.host, port=p.port)
        self._mailbox = NewestFirst(self._show, dropped=lambda _: None, failed=self._failed)
        camera = self.resolve_topic_name(p.input_topic)  # a remapping may make it a compressed one
        kind = CompressedImage if camera.endswith("/compressed") else Image
        self._streams = [
            Stream(self, name, topic, kind, p.rate, self._mailbox, show)
            for name, topic, kind, show in (
                ("points", f"{p.lift}/points", PointCloud2, self._points),
                ("objects", f"{p.lift}/objects", MarkerArray, self._boxes),
                ("overlay", f"{p.segmentation}/overlay", Image, self._picture("overlay", Image)),
                ("camera", camera, kind, self._picture("camera", kind)),
            )
        ]
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # so that a simulated clock that stands still stops nothing
        self.create_timer(_FOLLOW, self._follow, clock=steady)
        self.create_timer(_FIGURES, self._count, clock=steady)
        self.get_logger().info(f"open {self._page.address} in a browser")

    @property
    def address(self) -> str:
        """Returns the page's address."""
        return self._page.address

    def release(self, timeout: float | None = None) -> bool:
        """Ends the page; returns False if what is being drawn has not ended in `timeout` s."""
        ended = self._mailbox.stop(timeout)
        self._page.close()
        return ended

    def _follow(self) -> None:
        watched = self._page.watched
        for stream in self._streams:
            stream.follow(watched)

    def _count(self) -> None:
        if self._page.watched:
            now = self.get_clock().now().nanoseconds
            self._page.show_figures([stream.line(now) for stream in self._streams])

    # On the mailbox's thread

    def _show(self, items: Sequence[tuple[Stream, bytes]]) -> None:
        for stream, message in items:
            stream.showed(stream.show(message))

    def _failed(self, items: Sequence[tuple[Stream, bytes]], error: Exception) -> None:
        now = time.monotonic()
        if self.context.ok() and now - self._logged >= 1.0:
            self._logged = now
            what = repr(error) if reason_of(error) == "internal" else str(error)
            self.get_logger().error(legible(f"{items[0][0].topic} is not shown: {what}"))

    def _points(self, message: bytes) -> Stamp:
        stamp, frame_id, cloud = read_labelled(message)
        # Of a depth camera it is in the pictures' frame, and mostly organised; of a LiDAR in the LiDAR's.
        self._ground = OPTICAL if cloud.ndim == 2 or frame_id == self._eye else LEVEL
        some = thinned(cloud, self._most)
        self._page.show_points(xyz(some) @ self._ground.T, np.minimum(some["label"], 255).astype(np.uint8))
        return stamp

    def _boxes(self, message: bytes) -> Stamp | None:
        markers = deserialized(message, MarkerArray).markers
        cubes = [m for m in markers[: _MOST_BOXES + 1] if m.type == Marker.CUBE and m.action == Marker.ADD]
        solids = [solid for solid in (_solid(cube, self._ground) for cube in cubes) if solid is not None]
        self._page.show_boxes(solids)
        return (markers[0].header.stamp.sec, markers[0].header.stamp.nanosec) if markers else None

    def _picture(self, name: str, kind: type) -> Callable[[bytes], Stamp]:
        def show(message: bytes) -> Stamp:
            frame = decode_serialized(message, kind)
            pixels = cv2.cvtColor(frame.pixels, cv2.COLOR_BGR2RGB) if frame.bgr else frame.pixels
            self._page.show_picture(name, pixels)
            self._eye = frame.frame_id
            return frame.stamp

        return show


def _solid(marker: Marker, ground: np.ndarray) -> Solid | None:
    """The box of a marker, turned by `ground`; None if it has no place."""
    p, q, s = marker.pose.position, marker.pose.orientation, marker.scale
    center, size, turn = np.float64((p.x, p.y, p.z)), np.float64((s.x, s.y, s.z)), np.float64((q.w, q.x, q.y, q.z))
    length = np.linalg.norm(turn)
    if not (np.isfinite(center).all() and np.isfinite(size).all() and 0 < length < np.inf):
        return None
    w, x, y, z = turn / length
    rotation = np.array(
        (
            (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
            (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
            (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
        )
    )
    text = f"{legible(marker.ns, _TEXT)} {np.linalg.norm(center):.0f} m"
    return Solid(marker.ns, text, ground @ center, size, ground @ rotation)
