"""Makes a frame in space of the messages that belong together: decodes them, checks them, lifts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo

from seg_ros.classes import ClassMap
from seg_ros.errors import FrameError
from seg_ros.lifting import CameraModel, Labels, Style, object_boxes, paint, registered, scattered_boxes
from seg_ros.lifting.boxes import LEVEL, OPTICAL, Box
from seg_ros.lifting.cloud import mismatch
from seg_ros.lifting.trails import Trails
from seg_ros.results import Instances
from seg_ros.ros.camera_info import CameraInfos
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.clouds import read_cloud
from seg_ros.ros.deserialize import deserialized
from seg_ros.ros.judges import objects
from seg_ros.ros.lift_outputs import Lifted
from seg_ros.ros.planes import DEPTHS, LABELS, Plane, read_plane
from seg_ros.ros.transforms import Transforms
from seg_ros_msgs.msg import InstanceMaskArray

LABEL, CONFIDENCE, OBJECTS = "label", "confidence", "instances"
"""Topics of the segmentation node: the parts of what it says of a frame."""


class Lifter:
    """Lifts one frame after the other. The cloud of a depth image is valid until the next one is lifted.

    Args:
        classes: of the labels.
        style: which points a cloud has, and their colours.
        infos: calibrations of the labelled camera.
        depth_infos: of a depth camera that is another; else None.
        transforms: of the LiDAR, or of that camera; None takes measurements for depth images of the labelled camera.
        footprint: of its points, degrees.
        organise: `organised`, or what does the same.
        finish: makes the cloud that is published of one of `POINT`.
    """

    def __init__(
        self,
        classes: ClassMap,
        style: Style,
        infos: CameraInfos,
        depth_infos: CameraInfos | None,
        transforms: Transforms | None,
        footprint: tuple[float, float],
        organise: Callable[..., np.ndarray],
        finish: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self._classes, self._style, self._infos, self._depth_infos = classes, style, infos, depth_infos
        self._transforms, self._footprint = transforms, footprint
        self._organise, self._finish = organise, finish
        self._spare: np.ndarray | None = None
        self._trails = Trails()

    def lift(self, measurement: bytes, parts: Mapping[str, bytes], with_boxes: bool) -> Lifted:
        """Makes cloud and boxes of a measurement and what was said of the camera's frame.

        Args:
            measurement: serialised depth image or cloud.
            parts: serialised messages by topic; `LABEL` is one of them.

        Raises:
            FrameError: a message is malformed, they do not go together, or the calibration is missing or of no camera.
        """
        label = read_plane(parts[LABEL], LABELS)
        found = self._objects(parts[OBJECTS], label) if OBJECTS in parts else None
        confidence = read_plane(parts[CONFIDENCE], LABELS).values if CONFIDENCE in parts else None
        labels = Labels(label.values, confidence, None if found is None else found.ids())
        if self._transforms is None or self._depth_infos is not None:
            depth, camera = self._depth(read_plane(measurement, DEPTHS), label)
            cloud = self._spare = self._organise(depth, camera, labels, self._style, self._spare)
            around = object_boxes(cloud, found, camera.focal[0]) if with_boxes and found is not None else ()
            return self._lifted(label.stamp, label.frame_id, cloud, around, OPTICAL)
        scan, camera = read_cloud(measurement), _camera(self._infos, label)
        sensor = self._transforms.sensor(label.frame_id, scan.frame_id, label.stamp, scan.stamp)
        cloud = paint(scan.points, sensor, camera, labels, self._style, self._footprint)
        around = scattered_boxes(cloud, found, sensor, camera) if with_boxes and found is not None else ()
        return self._lifted(scan.stamp, scan.frame_id, cloud, around, LEVEL)

    def _lifted(
        self, stamp: Stamp, frame_id: str, cloud: np.ndarray, around: Sequence[Box], ground: np.ndarray
    ) -> Lifted:
        trails = self._trails.add(stamp[0] + 1e-9 * stamp[1], around)
        return Lifted(stamp, frame_id, self._finish(cloud), around, ground, trails)

    def _depth(self, depth: Plane, label: Plane) -> tuple[np.ndarray, CameraModel]:
        """The depth as the labelled camera sees it, and that camera."""
        if self._depth_infos is None:
            return depth.values, _camera(self._infos, depth)
        sensor, camera = _camera(self._depth_infos, depth), _camera(self._infos, label)
        place = self._transforms.sensor(label.frame_id, depth.frame_id, label.stamp, depth.stamp)
        return registered(depth.values, sensor, place, camera), camera

    def _objects(self, message: bytes, label: Plane) -> Instances:
        try:
            found = objects(deserialized(message, InstanceMaskArray, "objects"))
        except Exception as error:  # also of sizes that do not go together
            raise FrameError("objects", f"the objects cannot be read: {error}") from error
        if found.size != label.values.shape:
            raise mismatch("the frame of the objects", found.size, "the label", label.values.shape)
        x, y, width, height = found.roi.T
        inside = (x >= 0) & (y >= 0) & (x + width <= found.size[1]) & (y + height <= found.size[0])
        if not inside.all() or (found.class_id >= len(self._classes)).any():
            raise FrameError("objects", "the objects must lie in the label's image and be of the weights' classes")
        return found


def _camera(infos: CameraInfos, plane: Plane) -> CameraModel:
    """The model of the camera that an image is of."""
    size = plane.values.shape
    info = infos.of(plane.stamp, plane.frame_id, size)
    if info is None:
        raise FrameError("no_camera_info", "no calibration has come: have the camera's driver publish camera_info")
    return CameraModel.from_calibration(size, _matrix(info, size), info.distortion_model, info.d)


def _matrix(info: CameraInfo, size: tuple[int, int]) -> Any:
    """K for an image of this size: a camera that sends a part of its picture, or every second pixel, says so apart."""
    k = np.float64(info.k).reshape(3, 3).copy()
    if (info.height, info.width) != size:
        binning = np.float64((max(info.binning_x, 1), max(info.binning_y, 1)))
        k[:2, 2] = (k[:2, 2] - (info.roi.x_offset, info.roi.y_offset) + 0.5) / binning - 0.5
        k[0, 0], k[1, 1] = k[0, 0] / binning[0], k[1, 1] / binning[1]
    return k.ravel()
