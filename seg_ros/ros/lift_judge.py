"""Compares what a lift node publishes with the truth: classes of points, and boxes."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.classes import ClassMap
from seg_ros.lifting import Box
from seg_ros.lifting.boxes import LEVEL, OPTICAL, overlap
from seg_ros.ros.cdr import read_stamp
from seg_ros.ros.clouds import read_points
from seg_ros.ros.planes import LABELS, read_plane
from seg_ros.scenes.lidar import AXES, PLACE

_KEEP = 90
"""Messages of a kind that wait for those that they are compared with; at 30 Hz three seconds."""
_PERIOD = 0.2
"""Seconds between compared clouds: comparing takes the nodes' time."""
_FAR = 30.0
"""m; boxes that truly are farther do not count."""
_SAME = 3.0
"""m between the centres of a true and a found box, most that may be of one object."""
_ENOUGH = 0.5
"""Intersection over union of two boxes from which the object counts as found."""


class LiftJudge:
    """Takes clouds and boxes of a lift node, and the truth, on somebody's node.

    Args:
        node: whose subscriptions they are.
        lift: full name of the lift node.
        camera: namespace of the camera that publishes the truth.
        lidar: whether it lifts a LiDAR's points; else depth images.
        classes: of the labels.
    """

    def __init__(self, node: Node, lift: str, camera: str, lidar: bool, classes: ClassMap) -> None:
        self._lift, self._lidar, self._classes = lift, lidar, classes
        self._things = np.isin(np.arange(256), sorted(classes.things))
        self._points = self._right = self._of_things = self._bled = 0
        self._distances: list[float] = []
        self._overlaps: list[float] = []
        self._report: dict[str, str] = {}
        self._last = 0.0
        self._clouds: OrderedDict = OrderedDict()
        self._truths: OrderedDict = OrderedDict()
        self._boxes: OrderedDict = OrderedDict()
        self._true_boxes: OrderedDict = OrderedDict()
        qos = QoSProfile(depth=5)
        kind, topic = (PointCloud2, f"{camera}/lidar/truth") if lidar else (Image, f"{camera}/label_truth")
        take = node.create_subscription
        take(PointCloud2, f"{lift}/points", lambda m: self._came(self._clouds, read_stamp(m), m), qos, raw=True)
        take(kind, topic, lambda m: self._came(self._truths, read_stamp(m), m), qos, raw=True)
        take(MarkerArray, f"{lift}/objects", lambda m: self._came_boxes(self._boxes, m), qos)
        take(MarkerArray, f"{camera}/objects_truth", lambda m: self._came_boxes(self._true_boxes, m), qos)
        take(DiagnosticArray, "/diagnostics", self._diagnosed, 10)

    def figures(self) -> dict[str, Any]:
        """Returns the figures so far; those that nothing came for are None.

        `point_accuracy`: share of labelled points of the true class; `bleed`: share of the points of things that truly
        are of no thing, or another; `box3d_centre_m`: median distance of a box's centre from the true one's;
        `box3d_iou50`: share of the true objects up to 30 m away whose box has an IoU of 0.5; `lift_p50_ms`,
        `lift_p99_ms`: ms of the node's own work on a frame.
        """
        share = self._right / self._points if self._points else None
        return {
            "point_accuracy": share,
            "bleed": self._bled / self._of_things if self._of_things else None,
            "box3d_centre_m": float(np.median(self._distances)) if self._distances else None,
            "box3d_iou50": float(np.mean(np.array(self._overlaps) >= _ENOUGH)) if self._distances else None,
            **{f"lift_{p}_ms": float(self._report[f"{p}/lift"]) if f"{p}/lift" in self._report else None
               for p in ("p50", "p99")},
        }  # fmt: skip

    def _came(self, store: OrderedDict, stamp: tuple[int, int], message: bytes) -> None:
        _remember(store, stamp, message)
        if stamp in self._clouds and stamp in self._truths:
            cloud, truth = self._clouds.pop(stamp), self._truths.pop(stamp)
            if time.monotonic() - self._last > _PERIOD:
                self._last = time.monotonic()
                self._compare(cloud, truth)

    def _compare(self, serialized: bytes, true: bytes) -> None:
        cloud = read_points(serialized)[1]
        truth = read_points(true)[1]["label"] if self._lidar else _label(true)
        if cloud.shape != truth.shape:
            return
        counted = np.isfinite(cloud["z"]) & (cloud["label"] < 255)
        label, true_label = cloud["label"][counted], truth[counted]
        thing = self._things[label]
        wrong = label != true_label
        self._points += len(label)
        self._right += len(label) - np.count_nonzero(wrong)
        self._of_things += np.count_nonzero(thing)
        self._bled += np.count_nonzero(wrong & thing)

    def _came_boxes(self, store: OrderedDict, message: MarkerArray) -> None:
        header = message.markers[0].header
        stamp = header.stamp.sec, header.stamp.nanosec
        _remember(store, stamp, message)
        if stamp in self._boxes and stamp in self._true_boxes:
            self._match(*(self._read(s.pop(stamp), s is self._true_boxes) for s in (self._boxes, self._true_boxes)))

    def _match(self, found: list[Box], true: list[Box]) -> None:
        """Pairs boxes of one class, the nearest first and each once; those of far or truncated objects do not count."""
        ground = LEVEL if self._lidar else OPTICAL
        near = {
            (float(np.linalg.norm(found[i].center - true[j].center)), i, j)
            for i in range(len(found))
            for j in range(len(true))
            if found[i].class_id == true[j].class_id
        }
        pairs: dict[int, tuple[int, float]] = {}
        for distance, i, j in sorted(near):
            if distance <= _SAME and j not in pairs and i not in {taken for taken, _ in pairs.values()}:
                pairs[j] = i, distance
        for j, box in enumerate(true):
            if np.linalg.norm(box.center) > _FAR or box.truncated:
                continue
            i, distance = pairs.get(j, (None, None))
            if i is not None:
                self._distances.append(distance)
            self._overlaps.append(0.0 if i is None else overlap(found[i], box, ground))

    def _read(self, message: MarkerArray, truth: bool) -> list[Box]:
        """The boxes of markers; true ones, which are in the camera's coordinates, in those of the cloud."""
        boxes = []
        for marker in message.markers:
            if marker.type != Marker.CUBE or marker.action != Marker.ADD:
                continue
            p, q, s = marker.pose.position, marker.pose.orientation, marker.scale
            center = np.float64((p.x, p.y, p.z))
            axis = np.float64((1 - 2 * (q.y**2 + q.z**2), 2 * (q.x * q.y + q.z * q.w), 2 * (q.x * q.z - q.y * q.w)))
            if truth and self._lidar:
                center, axis = AXES.T @ (center - PLACE), AXES.T @ axis
            ahead, left, _ = (LEVEL if self._lidar else OPTICAL) @ axis
            class_id, size = self._classes.names.index(marker.ns), np.float64((s.x, s.y, s.z))
            cut = "truncated" in marker.text
            boxes.append(Box(marker.id, class_id, 1.0, center, size, float(np.arctan2(left, ahead)), 0, cut))
        return boxes

    def _diagnosed(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.name == f"{self._lift}: lift":
                self._report = {v.key: v.value for v in status.values}


def _label(message: bytes) -> np.ndarray:
    return read_plane(message, LABELS).values


def _remember(store: OrderedDict, stamp: tuple[int, int], message: Any) -> None:
    store[stamp] = message
    while len(store) > _KEEP:
        store.popitem(last=False)
