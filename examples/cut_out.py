"""Cuts what ~/instances finds out of the camera image: a PNG for each object, transparent around it."""

import cv2
import numpy as np
import rclpy
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from seg_ros_msgs.msg import InstanceMaskArray

images = {}  # by stamp: an array of masks carries the stamp of its image


def cut(found: InstanceMaskArray) -> None:
    stamp = found.header.stamp.sec, found.header.stamp.nanosec
    image = images.get(stamp)
    for i in found.instances if image else []:
        y, x, h, w = i.roi.y_offset, i.roi.x_offset, i.roi.height, i.roi.width
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)[y : y + h, x : x + w]
        mask = np.frombuffer(i.mask.data, np.uint8).reshape(h, w)
        cv2.imwrite(f"{i.class_name}_{i.id}.png", np.dstack((pixels[..., ::-1], mask)))  # rgb8 to BGRA
    for old in [s for s in images if s <= stamp]:
        del images[old]


rclpy.init()
node = rclpy.create_node("cut_out")
keep = lambda image: images.update({(image.header.stamp.sec, image.header.stamp.nanosec): image})  # noqa: E731
node.create_subscription(Image, "/camera/image_raw", keep, qos_profile_sensor_data)
node.create_subscription(InstanceMaskArray, "/segmentation/instances", cut, 1)
rclpy.spin(node)
