"""Spins a node in a process of its own, and ends with it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import rclpy

from seg_ros import runtime
from seg_ros.ros.executor import GuardedExecutor
from seg_ros.ros.failures import RosLogs
from seg_ros.ros.interrupt import session
from seg_ros.ros.managed import ManagedNode

if TYPE_CHECKING:
    from seg_ros.ros.view import ViewNode


def run(args: list[str] | None = None) -> int:
    """Spins the segmentation node until it is shut down.

    Returns the status of the process, 1 when only a new one helps. Threads of the node may still run then, inside a
    native library.
    """
    from seg_ros.ros.node import SegmentationNode  # it loads PyTorch

    fatal = threading.Event()

    def end() -> None:
        fatal.set()
        rclpy.try_shutdown()

    spin(lambda: SegmentationNode(deadline=runtime.deadline, fatal=end), args)
    return int(fatal.is_set())


def spin(make: Callable[[], ManagedNode | ViewNode], args: list[str] | None = None) -> None:
    """Spins the node that `make` makes until it is shut down."""
    with session(args):
        node = make()
        logging.getLogger("seg_ros").setLevel(logging.DEBUG)  # the node's logger has the level
        logging.getLogger("seg_ros").addHandler(RosLogs(node.get_logger()))
        logging.getLogger("seg_ros").propagate = False  # OpenVINO has the root logger print them, too
        executor = GuardedExecutor(node.callback_errors.raised)
        executor.add_node(node)
        try:
            executor.spin()
        finally:
            runtime.release_deadlines()  # the process ends anyway
            node.release(timeout=2.0)
