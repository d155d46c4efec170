"""Counts the cars that pass a line: the upright one in the middle of the image of /segmentation/instances.

python examples/count_cars.py                                         # of /segmentation
python examples/count_cars.py --ros-args -r __ns:=/seg_ros_demo_1234  # beside `make demo`, whose log has the name
"""

import contextlib

import rclpy
from rclpy.executors import ExternalShutdownException

from seg_ros_msgs.msg import InstanceMaskArray

sides, passed = {}, set()  # of the line, by track_id; and what has passed it


def count(found: InstanceMaskArray) -> None:
    for i in found.instances:
        if i.track_id and i.class_name == "car":
            right = i.roi.x_offset + i.roi.width / 2 > found.width / 2
            if sides.setdefault(i.track_id, right) != right and i.track_id not in passed:
                passed.add(i.track_id)
                print(f"{len(passed)} cars: number {i.track_id} went to the {'right' if right else 'left'}", flush=True)


rclpy.init()
node = rclpy.create_node("count_cars")
node.create_subscription(InstanceMaskArray, "segmentation/instances", count, 5)
with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):  # Ctrl-C
    rclpy.spin(node)
