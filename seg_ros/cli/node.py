"""The segmentation node as a process.

    ros2 run seg_ros node --ros-args -p weights:=unet_street -p input_topic:=/camera/image_raw

Parameters are described in config/segment.yaml, and by `ros2 param describe /segmentation NAME` while it runs. Exits 0
on SIGINT and SIGTERM, 1 when only a new process can go on.
"""

from __future__ import annotations

import os
import sys

from seg_ros import runtime


def main(args: list[str] | None = None) -> None:
    """Runs the node until it is shut down."""
    if {"-h", "--help"} & set(sys.argv[1:] if args is None else args):
        print(__doc__)
        return
    runtime.prepare()  # before PyTorch is imported
    runtime.interrupt_once()
    from seg_ros.ros.process import run

    status, ended = run(args)
    if not ended:
        # Taking the interpreter down under a thread that is inside a native library may crash.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    main()
