"""Cuts what ~/instances finds out of the camera image: a PNG for each object, transparent around it.

    python examples/cut_out.py                                            # of /camera and /segmentation
    python examples/cut_out.py --ros-args -r __ns:=/seg_ros_demo_1234     # beside `make demo`, whose log has the name

The files of a frame replace those of the one before.
"""

import contextlib

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from seg_ros_msgs.msg import InstanceMaskArray

images = {}  # by stamp: an array of masks carries the stamp of its image


def keep(image: Image) -> None:
    if image.encoding != "rgb8":
        node.get_logger().error(f"expected rgb8, got {image.encoding}: this example takes no other", once=True)
        return
    images[image.header.stamp.sec, image.header.stamp.nanosec] = image
    while len(images) > 60:
        del images[min(images)]


def cut(found: InstanceMaskArray) -> None:
    image = images.get((found.header.stamp.sec, found.header.stamp.nanosec))
    for i in found.instances if image else []:
        y, x, h, w = i.roi.y_offset, i.roi.x_offset, i.roi.height, i.roi.width
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)[y : y + h, x : x + w]
        mask = np.frombuffer(i.mask.data, np.uint8).reshape(h, w)
        cv2.imwrite(f"{i.class_name}_{i.id}.png", np.dstack((pixels[..., ::-1], mask)))  # rgb8 to BGRA


rclpy.init()
node = rclpy.create_node("cut_out")
node.create_subscription(Image, "camera/image_raw", keep, qos_profile_sensor_data)
node.create_subscription(InstanceMaskArray, "segmentation/instances", cut, 1)
with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):  # Ctrl-C
    rclpy.spin(node)
