"""Reads command lines: of executables that `ros2 run` and launch files start as well, and numbers within bounds."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable


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


def parse_ros_only(name: str, description: str, args: list[str] | None) -> None:
    """Refuses arguments that are not ROS's: a node takes no others, and they would have no effect.

    Args:
        name: of the executable.
        description: what `--help` prints.
        args: as of `parse`.
    """
    parser = argparse.ArgumentParser(
        prog=name,
        usage=f"{name} [-h] [--ros-args -p NAME:=VALUE ...]",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse(parser, args)


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Returns a type of arguments for argparse: whole numbers from `least` on, or from `least` to `most`."""
    allowed = f"from {least} on" if most == math.inf else f"from {least} to {most}"

    def read(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number {allowed}, got {text!r}")
        return int(text)

    return read


def positive(text: str) -> float:
    """Reads a finite number above 0, as a type of arguments for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


def number(text: str) -> float:
    """Reads a finite number, as a type of arguments for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return value


def _meant(strays: list[str]) -> str:
    return "".join(
        f"\n{stray} as a parameter is --ros-args -p {stray}, as a remapping --ros-args -r {stray}"
        for stray in strays
        if ":=" in stray
    )
