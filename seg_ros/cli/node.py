"""The segmentation node as a process.

    ros2 run seg_ros node --ros-args -p weights:=unet_street -p input_topic:=/camera/image_raw
    ros2 run seg_ros node --ros-args --params-file mine.yaml

Parameters are described in config/segment.yaml, and by `ros2 param describe /segmentation NAME` while it runs. Exits 0
on SIGINT and SIGTERM, 1 when only a new process can go on; SIGALRM ends it when an inference hangs.
"""

from __future__ import annotations

import os
import sys

from seg_ros import runtime
from seg_ros.cli.arguments import parse_ros_only


def main(args: list[str] | None = None) -> None:
    """Runs the node until it is shut down; refuses arguments that are not ROS's, which would have no effect."""
    runtime.prepare()  # before PyTorch is imported
    runtime.interrupt_once(runtime.CLEANING_UP)
    runtime.keep_colours()
    parse_ros_only("node", __doc__, args)
    runtime.attend()
    try:
        from rclpy.logging import get_logger

        get_logger("segmentation").info("starting")  # what follows loads PyTorch: seconds of silence on a slow machine
        from seg_ros.ros.process import run

        status = run(args)
    except KeyboardInterrupt:
        status = 0
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking the interpreter down, with all of PyTorch, takes longer than all else of the end, on a busy machine three
    # seconds. Under a thread that is inside a native library it may crash besides.
    os._exit(status)


if __name__ == "__main__":
    main()
