"""What the lift node publishes of a frame: the labelled cloud, and the boxes of its objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.classes import ClassMap
from seg_ros.lifting import Box
from seg_ros.overlay import id_colors
from seg_ros.ros import messages
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.clouds import write_cloud
from seg_ros.ros.qos import output_qos

_SHOWN = 0.5
"""Opacity of a box."""
_TRAIL, _WIDTH = "trail", 0.05
"""Namespace of the lines that show where objects were, and their width, m."""
_LARGEST = 2**31 - 1
"""Id of a marker; those of tracks above start at 1 again."""


class Lifted(NamedTuple):
    """A frame in space.

    Attributes:
        stamp, frame_id: of the cloud.
        cloud: `(H, W)` or `(N,)` of the layout in which it is published.
        boxes: of its objects.
        ground: `(3, 3)`, turns the cloud's coordinates into ahead, left, up.
        trails: where the boxes of tracks were, by track: `(N, 3)`, m, the newest last.
    """

    stamp: Stamp
    frame_id: str
    cloud: np.ndarray
    boxes: Sequence[Box]
    ground: np.ndarray
    trails: Mapping[int, np.ndarray] = {}


def markers(lifted: Lifted, classes: ClassMap) -> MarkerArray:
    """Makes a cube for each box, its class's name as namespace, after one that deletes all.

    Its id is that of the object's track, whose colour it has, too, as in `overlay.instances`; without a track it is
    minus the object's own, and the colour is the class's. Of a truncated or occluded object it is half as opaque. Then
    come the trails, lines of the same ids and colours with a namespace of their own.
    """
    header = messages.header_of(lifted.stamp, lifted.frame_id)
    array = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    for box in lifted.boxes:
        x, y, z = (float(v) for v in box.center)
        marker = Marker(header=header, type=Marker.CUBE, action=Marker.ADD, ns=classes.names[box.class_id])
        marker.id = _marker_id(box.track_id) if box.track_id else -box.instance
        marker.pose = Pose(position=Point(x=x, y=y, z=z), orientation=_orientation(box.yaw, lifted.ground))
        marker.scale = Vector3(**{axis: float(v) for axis, v in zip("xyz", box.size, strict=True)})
        rgb = id_colors([box.track_id])[0].tolist() if box.track_id else classes.colors[box.class_id]
        whole = not (box.truncated or box.occluded)
        marker.color = _color(rgb, _SHOWN if whole else _SHOWN / 2)
        state = "" if whole else " (truncated)" if box.truncated else " (occluded)"
        track = f" #{box.track_id}" if box.track_id else ""
        marker.text = f"{classes.names[box.class_id]} {box.score:.2f}{track}{state}"
        array.markers.append(marker)
    for track, trail in lifted.trails.items():
        if len(trail) > 1:
            marker = Marker(header=header, type=Marker.LINE_STRIP, action=Marker.ADD, ns=_TRAIL, id=_marker_id(track))
            marker.color, marker.scale.x = _color(id_colors([track])[0].tolist(), 1.0), _WIDTH
            marker.points = [Point(x=x, y=y, z=z) for x, y, z in trail.astype(float).tolist()]
            array.markers.append(marker)
    return array


def detections(lifted: Lifted, classes: ClassMap) -> Any:
    """Makes a `vision_msgs/Detection3DArray` of the boxes: `class_id` is the class name.

    `id` is the track's, empty where there is none, as in `~/detections` of the segmentation node.
    """
    vision, header = messages.vision, messages.header_of(lifted.stamp, lifted.frame_id)
    array = vision.Detection3DArray(header=header)
    for box in lifted.boxes:
        detection = vision.Detection3D(header=header, id=str(box.track_id or ""))
        x, y, z = (float(v) for v in box.center)
        pose = Pose(position=Point(x=x, y=y, z=z), orientation=_orientation(box.yaw, lifted.ground))
        detection.bbox.center = pose
        detection.bbox.size = Vector3(**{axis: float(v) for axis, v in zip("xyz", box.size, strict=True)})
        found = vision.ObjectHypothesisWithPose()
        found.hypothesis.class_id, found.hypothesis.score = classes.names[box.class_id], box.score
        found.pose.pose = pose
        detection.results.append(found)
        array.detections.append(detection)
    return array


class LiftOutput(NamedTuple):
    """A row of `LIFT_OUTPUTS`: type of the topic, what makes its message, and whether that needs the boxes."""

    message: type
    fill: Callable[[Lifted, ClassMap], Any]
    boxes: bool


LIFT_OUTPUTS: dict[str, LiftOutput] = {
    "points": LiftOutput(PointCloud2, lambda f, _: write_cloud(f.stamp, f.frame_id, f.cloud), boxes=False),
    "objects": LiftOutput(MarkerArray, markers, boxes=True),
}
"""Rows by topic below the node's name. Without subscriber none is filled."""

if messages.vision is not None:
    LIFT_OUTPUTS["detections"] = LiftOutput(messages.vision.Detection3DArray, detections, boxes=True)


class LiftPublishers:
    """The output topics of a configured lift node."""

    def __init__(self, node: LifecycleNode, classes: ClassMap) -> None:
        self._node, self._classes = node, classes
        self._publishers = {
            name: node.create_lifecycle_publisher(row.message, f"~/{name}", output_qos())
            for name, row in LIFT_OUTPUTS.items()
        }

    def wanted(self) -> list[str]:
        """Returns the topics that have a subscriber."""
        return [name for name, publisher in self._publishers.items() if publisher.get_subscription_count()]

    def publish(self, lifted: Lifted, topics: Sequence[str]) -> None:
        """Fills and publishes these topics."""
        for name in topics:
            self._publishers[name].publish(LIFT_OUTPUTS[name].fill(lifted, self._classes))

    def destroy(self) -> None:
        """Takes the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)


def _marker_id(track: int) -> int:
    return (track - 1) % _LARGEST + 1


def _color(rgb: Sequence[int], opacity: float) -> ColorRGBA:
    red, green, blue = (v / 255 for v in rgb)
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)


def _orientation(yaw: float, ground: np.ndarray) -> Quaternion:
    """The rotation from a box's own axes (length, width, up) to the cloud's coordinates."""
    c, s = np.cos(yaw), np.sin(yaw)
    r = np.float64(ground).T @ np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))
    w = np.sqrt(max(1 + r[0, 0] + r[1, 1] + r[2, 2], 0)) / 2
    x = np.copysign(np.sqrt(max(1 + r[0, 0] - r[1, 1] - r[2, 2], 0)) / 2, r[2, 1] - r[1, 2])
    y = np.copysign(np.sqrt(max(1 - r[0, 0] + r[1, 1] - r[2, 2], 0)) / 2, r[0, 2] - r[2, 0])
    z = np.copysign(np.sqrt(max(1 - r[0, 0] - r[1, 1] + r[2, 2], 0)) / 2, r[1, 0] - r[0, 1])
    return Quaternion(x=float(x), y=float(y), z=float(z), w=float(w))
