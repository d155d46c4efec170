"""A camera topic from pictures: the synthetic street, a folder, a video file or a webcam.

    ros2 run seg_ros camera                                # the street, 640x480 at 30 Hz
    ros2 run seg_ros camera --source pictures/ --rate 10
    ros2 run seg_ros camera --source 0 --compressed        # the first webcam

Publishes `image_raw`, with `--compressed` also `image_raw/compressed`, and, where the source has truth and
somebody subscribes, `label_truth` (mono8 class ids) and `instance_truth` (16UC1 object ids, 0 = none) with the same
header; all below `--namespace` (`/camera`).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator

import cv2
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros import messages
from seg_ros.ros.interrupt import until_shutdown
from seg_ros.runtime import interrupt_once
from seg_ros.sources import Picture, open_source

_FROM_BGR = {"bgr8": None, "rgb8": cv2.COLOR_BGR2RGB, "mono8": cv2.COLOR_BGR2GRAY}


class Camera(Node):
    """Publishes one picture a period; `finished` is set when a source that does not loop is at its end."""

    def __init__(self, pictures: Iterator[Picture], args: argparse.Namespace) -> None:
        super().__init__("camera", namespace=args.namespace)
        self._pictures, self._args = pictures, args
        self.finished = False
        reliability = ReliabilityPolicy.RELIABLE if args.qos == "reliable" else ReliabilityPolicy.BEST_EFFORT
        qos = QoSProfile(depth=1, reliability=reliability)
        self._image = self.create_publisher(Image, "image_raw", qos)
        self._label = self.create_publisher(Image, "label_truth", QoSProfile(depth=5))
        self._instance = self.create_publisher(Image, "instance_truth", QoSProfile(depth=5))
        self._compressed = (
            self.create_publisher(CompressedImage, "image_raw/compressed", qos) if args.compressed else None
        )
        self.create_timer(1.0 / args.rate, self._publish)
        self.get_logger().info(f"publishing {args.source} at {args.rate:g} Hz on {self._image.topic_name}")

    def _publish(self) -> None:
        picture = next(self._pictures, None)
        if picture is None:
            self.finished = True
            return
        source = divmod(self.get_clock().now().nanoseconds, 10**9), self._args.frame_id
        # Truth first: whoever compares has it before the result that is made from the picture.
        if picture.label is not None and self._label.get_subscription_count():
            self._label.publish(messages.serialized_image(*source, picture.label, "mono8"))
        if picture.instance is not None and self._instance.get_subscription_count():
            self._instance.publish(messages.serialized_image(*source, picture.instance, "16UC1"))
        conversion = _FROM_BGR[self._args.encoding]
        encoded = picture.image if conversion is None else cv2.cvtColor(picture.image, conversion)
        self._image.publish(messages.serialized_image(*source, encoded, self._args.encoding))
        if self._compressed is not None and self._compressed.get_subscription_count():
            self._compressed.publish(messages.serialized_jpeg(*source, picture.image, quality=90))


def main(args: list[str] | None = None) -> None:
    """Runs the camera until it is shut down or, with `--no-loop`, its source is at the end."""
    parser = argparse.ArgumentParser(
        prog="camera", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", default="street", help="street, a folder of pictures, a video file, or a webcam's number")
    add("--namespace", default="/camera", help="of the topics")
    add("--rate", type=float, default=30.0, help="Hz")
    add("--size", type=int, nargs=2, metavar=("W", "H"), help="pixels (default: the source's own)")
    add("--encoding", choices=sorted(_FROM_BGR), default="rgb8")
    add("--qos", choices=("best_effort", "reliable"), default="best_effort")
    add("--frame-id", default="camera_optical_frame")
    add("--loop", action=argparse.BooleanOptionalAction, default=True, help="start again at the end")
    add("--seed", type=int, default=20000, help="of the street")
    add("--compressed", action="store_true", help="also publish image_raw/compressed (JPEG)")
    parsed = parser.parse_args(remove_ros_args(args=sys.argv if args is None else args)[1:])
    if parsed.rate <= 0 or (parsed.size and min(parsed.size) < 1):
        parser.error(f"--rate and --size must be above 0, got {parsed.rate} and {parsed.size}")
    cv2.setNumThreads(1)  # a camera must not take the cores that the network needs
    try:
        size = tuple(parsed.size) if parsed.size else None
        pictures = open_source(parsed.source, size, parsed.rate, parsed.loop, parsed.seed)
        pictures = itertools.chain([next(pictures)], pictures)  # says now what is wrong with the first
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    interrupt_once()
    rclpy.init(args=args)
    try:
        with until_shutdown():
            camera = Camera(pictures, parsed)
            executor = SingleThreadedExecutor()
            executor.add_node(camera)
            while not camera.finished:
                executor.spin_once()
    except ValueError as error:  # a picture that does not decode
        sys.exit(f"camera: {error}")
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
