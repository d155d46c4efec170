"""The lift node as a process: labels and depth, or a LiDAR's points, become labelled clouds and boxes in metres.

    ros2 run seg_ros lift --ros-args -p depth_topic:=/camera/depth/image_raw -p weights:=unet_street
    ros2 run seg_ros lift --ros-args -p points_topic:=/lidar/points \\
        -p extrinsics:="[0.2, -0.4, -0.3, 0.5, -0.5, 0.5, 0.5]"

Parameters are described in docs/lifting.md, and by `ros2 param describe /lift NAME` while it runs. Exits 0 on SIGINT
and SIGTERM.
"""

from __future__ import annotations

from seg_ros import runtime
from seg_ros.cli.arguments import parse_ros_only


def main(args: list[str] | None = None) -> None:
    """Runs the node until it is shut down; refuses arguments that are not ROS's, which would have no effect."""
    runtime.prepare()
    runtime.interrupt_once(runtime.CLEANING_UP)
    parse_ros_only("lift", __doc__, args)
    try:
        from seg_ros.ros.lift import LiftNode
        from seg_ros.ros.process import spin

        spin(LiftNode, args)
    except KeyboardInterrupt:  # while it still starts
        pass


if __name__ == "__main__":
    main()
