"""The segmentation node as a process.

ros2 run seg_ros node --ros-args -p input_topic:=/camera/image_raw
"""

from __future__ import annotations

from seg_ros import runtime


def main(args: list[str] | None = None) -> None:
    """Runs the node until it is shut down. Exits 0 on SIGINT and SIGTERM, 1 when only a new process can go on."""
    runtime.prepare()

    from seg_ros.ros import node

    node.main(args)


if __name__ == "__main__":
    main()
