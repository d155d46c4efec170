"""Reads the command line of an executable that `ros2 run` and launch files start as well."""

from __future__ import annotations

import sys


def own_arguments(args: list[str] | None) -> list[str]:
    """Returns the arguments that are not ROS's: without `--ros-args ...`, and without the program's name.

    Args:
        args: as in `sys.argv`, which None stands for.
    """
    args = sys.argv if args is None else args
    if "--ros-args" in args:
        from rclpy.utilities import remove_ros_args

        args = remove_ros_args(args=args)
    return args[1:]
