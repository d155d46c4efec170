"""A process of the segmentation node's own: spins it, and ends with it."""

from __future__ import annotations

import logging

import rclpy
from rclpy.executors import SingleThreadedExecutor

from seg_ros import runtime
from seg_ros.ros.failures import RosLogs
from seg_ros.ros.interrupt import until_shutdown
from seg_ros.ros.node import SegmentationNode


def run(args: list[str] | None = None) -> tuple[int, bool]:
    """Spins the node until it is shut down.

    Returns the status of the process, 1 when only a new one can go on, and whether the inference thread ended.
    """
    rclpy.init(args=args)
    fatal: list[bool] = []

    def end() -> None:
        fatal.append(True)
        rclpy.try_shutdown()

    node, ended = None, True
    try:
        with until_shutdown():
            node = SegmentationNode(runtime.deadline, end)
            logging.getLogger("seg_ros").setLevel(logging.INFO)
            logging.getLogger("seg_ros").addHandler(RosLogs(node.get_logger()))
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            executor.spin()
    finally:
        if node is not None:
            runtime.release_deadlines()  # the process ends anyway
            ended = node.release(timeout=2.0)
        rclpy.try_shutdown()
    return int(bool(fatal)), ended
