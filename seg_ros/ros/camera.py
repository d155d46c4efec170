"""A camera node: publishes pictures, and the truth about them where it is known, all with one header."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from seg_ros.classes import CAMVID, ClassMap
from seg_ros.lifting import POINT
from seg_ros.lifting.boxes import OPTICAL
from seg_ros.picture import Picture
from seg_ros.ros import messages
from seg_ros.ros.cdr import Stamp
from seg_ros.ros.clouds import write_cloud
from seg_ros.ros.lift_outputs import Lifted, markers
from seg_ros.ros.qos import camera_qos
from seg_ros.ros.true_labels import TrueLabels
from seg_ros.scenes.lidar import Scan

FROM_BGR = {"bgr8": None, "rgb8": cv2.COLOR_BGR2RGB, "mono8": cv2.COLOR_BGR2GRAY}
"""OpenCV's conversion by encoding; None: it is that already."""
_JPEG_QUALITY = 90
_LIDAR, _DEPTH = "lidar", "depth_optical_frame"
_MEASURED = np.dtype(
    {
        "names": ["x", "y", "z", "intensity", "ring"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<u2"],
        "offsets": [0, 4, 8, 16, 20],
        "itemsize": 32,
    }
)
"""A point as common drivers (Velodyne, Ouster) lay it out."""


class Camera(Node):
    """Publishes one picture each period on `image_raw`; with `compressed` also as JPEG on `image_raw/compressed`.

    Where the camera matrix is known and somebody subscribes: also `camera_info`.

    Where a picture has truth and somebody subscribes: also `label_truth` (mono8 class ids) and `instance_truth` (16UC1
    object ids, 0 = none).

    Where a picture is measured: also `depth/image_raw` (16UC1 millimetres) with `depth/camera_info`, of frame_id
    `depth_optical_frame` if the depth camera has a place of its own, `lidar/points` of frame_id `lidar`, and for a
    judge `lidar/truth`, the same points with true labels and ids, and `objects_truth`, true boxes.

    Attributes:
        finished: whether the pictures have come to their end.
    """

    def __init__(
        self,
        pictures: Iterator[Picture],
        *,
        namespace: str = "/camera",
        rate: float = 30.0,
        encoding: str = "rgb8",
        reliable: bool = False,
        frame_id: str = "camera_optical_frame",
        compressed: bool = False,
        classes: ClassMap = CAMVID,
        segmentation: str = "",
        source: str = "pictures",
    ) -> None:
        """Starts to publish `pictures` in a timer.

        Args:
            namespace: of node and topics.
            rate: Hz.
            encoding: of `image_raw`, one of `FROM_BGR`.
            reliable: quality of service of the pictures; else best effort.
            classes: of true boxes.
            segmentation: publishes the truth below this name, too, in place of a segmentation node; "" does not.
            source: where the pictures come from, for the log.
        """
        super().__init__("camera", namespace=namespace)
        self.finished = False
        self._pictures, self._encoding, self._frame_id = pictures, encoding, frame_id
        newest, truth = camera_qos(reliable), QoSProfile(depth=5)
        self._image = self.create_publisher(Image, "image_raw", newest)
        self._info = self.create_publisher(CameraInfo, "camera_info", newest)
        self._label = self.create_publisher(Image, "label_truth", truth)
        self._instance = self.create_publisher(Image, "instance_truth", truth)
        self._depth = self.create_publisher(Image, "depth/image_raw", newest)
        self._depth_info = self.create_publisher(CameraInfo, "depth/camera_info", newest)
        self._points = self.create_publisher(PointCloud2, "lidar/points", newest)
        self._points_truth = self.create_publisher(PointCloud2, "lidar/truth", truth)
        self._boxes = self.create_publisher(MarkerArray, "objects_truth", truth)
        self._classes = classes
        self._in_place = TrueLabels(self, segmentation, classes) if segmentation else None
        self._jpeg = self.create_publisher(CompressedImage, "image_raw/compressed", newest) if compressed else None
        self.create_timer(1.0 / rate, self._publish)
        self.get_logger().info(f"publishing {source} at {rate:g} Hz on {self._image.topic_name}")

    def _publish(self) -> None:
        picture = next(self._pictures, None)
        if picture is None:
            self.finished = True
            return
        header = divmod(self.get_clock().now().nanoseconds, 10**9), self._frame_id
        # First what goes with the picture: a probe has the truth before the result that is made from the picture.
        if picture.label is not None and self._label.get_subscription_count():
            self._label.publish(messages.serialized_image(*header, picture.label, "mono8"))
        if picture.instance is not None and self._instance.get_subscription_count():
            self._instance.publish(messages.serialized_image(*header, picture.instance, "16UC1"))
        if picture.matrix is not None and self._info.get_subscription_count():
            self._info.publish(messages.camera_info(*header, picture.image.shape[:2], picture.matrix))
        if picture.space is not None:
            self._measure(*header, picture)
        if self._in_place is not None and picture.label is not None:
            self._in_place.publish(*header, picture)
        conversion = FROM_BGR[self._encoding]
        pixels = picture.image if conversion is None else cv2.cvtColor(picture.image, conversion)
        self._image.publish(messages.serialized_image(*header, pixels, self._encoding))
        if self._jpeg is not None and self._jpeg.get_subscription_count():
            self._jpeg.publish(messages.serialized_jpeg(*header, picture.image, quality=_JPEG_QUALITY))

    def _measure(self, stamp: Stamp, frame_id: str, picture: Picture) -> None:
        measured = picture.space
        if self._boxes.get_subscription_count():
            lifted = Lifted(stamp, frame_id, np.empty(0), measured.boxes, OPTICAL)
            self._boxes.publish(markers(lifted, self._classes))
        camera = measured.depth_camera
        time = stamp[0] * 10**9 + stamp[1] + round(1e9 * camera.offset)
        header = divmod(time, 10**9), frame_id if camera.place is None else _DEPTH
        if self._depth_info.get_subscription_count():
            self._depth_info.publish(messages.camera_info(*header, measured.depth.shape, measured.depth_matrix))
        if self._depth.get_subscription_count():
            self._depth.publish(messages.serialized_image(*header, measured.depth, "16UC1"))
        if (scan := measured.scan) is not None:
            if self._points_truth.get_subscription_count():
                self._points_truth.publish(write_cloud(stamp, _LIDAR, _labelled(scan)))
            if self._points.get_subscription_count():
                self._points.publish(write_cloud(stamp, _LIDAR, _ranged(scan)))


def _ranged(scan: Scan) -> np.ndarray:
    """A LiDAR's points as drivers send them: x y z intensity ring, padded."""
    points = np.zeros(len(scan.points), _MEASURED)
    points["x"], points["y"], points["z"] = scan.points.T
    points["ring"] = scan.ring
    return points


def _labelled(scan: Scan) -> np.ndarray:
    points = np.zeros(len(scan.points), POINT)
    points["x"], points["y"], points["z"] = scan.points.T
    points["label"], points["instance"] = scan.label, scan.instance
    return points
