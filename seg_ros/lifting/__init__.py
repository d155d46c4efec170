"""Labels into space: depth or LiDAR and a camera model make labelled clouds and boxes in metres. No ROS.

PyTorch only in `torch_cloud`, which is not imported here.
"""

from seg_ros.lifting.boxes import Box, object_boxes, scattered_boxes
from seg_ros.lifting.camera import CameraModel
from seg_ros.lifting.cloud import POINT, Labels, Style
from seg_ros.lifting.depth import organised
from seg_ros.lifting.lidar import Extrinsics, paint
from seg_ros.lifting.registration import registered

__all__ = [
    "POINT",
    "Box",
    "CameraModel",
    "Extrinsics",
    "Labels",
    "Style",
    "object_boxes",
    "organised",
    "paint",
    "registered",
    "scattered_boxes",
]
