"""A camera node: publishes pictures, and the truth about them where it is known, all with one header."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from seg_ros.ros import messages
from seg_ros.ros.qos import camera_qos
from seg_ros.sources import Picture

FROM_BGR = {"bgr8": None, "rgb8": cv2.COLOR_BGR2RGB, "mono8": cv2.COLOR_BGR2GRAY}
"""OpenCV's conversion by encoding; None: it is that already."""
_JPEG_QUALITY = 90


class Camera(Node):
    """Publishes one picture each period on `image_raw`; with `compressed` also as JPEG on `image_raw/compressed`.

    Where the camera matrix is known and somebody subscribes: also `camera_info`.

    Where a picture has truth and somebody subscribes: also `label_truth` (mono8 class ids) and `instance_truth` (16UC1
    object ids, 0 = none).

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
        source: str = "pictures",
    ) -> None:
        """Starts to publish `pictures` in a timer.

        Args:
            namespace: of node and topics.
            rate: Hz.
            encoding: of `image_raw`, one of `FROM_BGR`.
            reliable: quality of service of the pictures; else best effort.
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
        conversion = FROM_BGR[self._encoding]
        pixels = picture.image if conversion is None else cv2.cvtColor(picture.image, conversion)
        self._image.publish(messages.serialized_image(*header, pixels, self._encoding))
        if self._jpeg is not None and self._jpeg.get_subscription_count():
            self._jpeg.publish(messages.serialized_jpeg(*header, picture.image, quality=_JPEG_QUALITY))
