"""Reads the command line of an executable that `ros2 run` and launch files start as well."""

from __future__ import annotations

import argparse
import sys


def parse(parser: argparse.ArgumentParser, args: list[str] | None) -> argparse.Namespace:
    """Parses the arguments that are not ROS's; ends the process with one line if any are wrong, of both kinds.

    Args:
        args: as in `sys.argv`, which None stands for.
    """
    args = sys.argv if args is None else args
    own = args
    if "--ros-args" in args:
        from rclpy.utilities import remove_ros_args

        try:
            own = remove_ros_args(args=args)
        except RuntimeError as error:  # of a type that rclpy does not export
            parser.error(f"wrong ROS arguments: {error}{_meant([a for a in args if repr(a) in str(error)])}")
    options, rest = parser.parse_known_args(own[1:])
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}{_meant(rest)}")
    return options


def _meant(strays: list[str]) -> str:
    return "".join(
        f"\n{stray} as a parameter is --ros-args -p {stray}, as a remapping --ros-args -r {stray}"
        for stray in strays
        if ":=" in stray
    )
