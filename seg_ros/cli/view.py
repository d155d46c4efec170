"""Shows what the nodes segmentation and lift say on a page in the browser: labelled points, boxes, overlay, camera.

    ros2 run seg_ros view --ros-args -p weights:=unet_street
    ros2 run seg_ros view --ros-args -p weights:=mask_rcnn_street -p host:=0.0.0.0 -p port:=8080

Needs viser: pip install -r requirements/view.txt. Parameters are described in docs/lifting.md, and by
`ros2 param describe /view NAME` while it runs. Exits 0 on SIGINT and SIGTERM.
"""

from __future__ import annotations

import contextlib
import importlib.util

from seg_ros import runtime
from seg_ros.cli.arguments import parse_ros_only
from seg_ros.cli.command import one_line_errors


@one_line_errors
def _run(args: list[str] | None) -> None:
    if importlib.util.find_spec("viser") is None:
        raise ValueError("viser is not installed, which serves the page: pip install -r requirements/view.txt")
    from seg_ros.ros.process import spin
    from seg_ros.ros.view import ViewNode

    with contextlib.suppress(KeyboardInterrupt):  # while it still starts
        spin(ViewNode, args)


def main(args: list[str] | None = None) -> None:
    """Serves the page until it is shut down; refuses arguments that are not ROS's, which would have no effect."""
    runtime.prepare()
    runtime.interrupt_once(runtime.CLEANING_UP)
    parse_ros_only("view", __doc__, args)
    _run(args)


if __name__ == "__main__":
    main()
