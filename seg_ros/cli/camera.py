"""Publishes pictures as a camera topic: the synthetic street, a folder, a video file or a webcam.

    ros2 run seg_ros camera                                # the street, 480x640 at 30 Hz
    ros2 run seg_ros camera --source pictures/ --rate 10
    ros2 run seg_ros camera --source 0 --compressed        # the first webcam
    ros2 run seg_ros camera --ahead 150                    # 5 s of the street again and again, at hardly any load

Publishes `image_raw`, with `--compressed` also `image_raw/compressed`, and, where the source has truth and
somebody subscribes, `label_truth` (mono8 class ids) and `instance_truth` (16UC1 object ids, 0 = none) with the same
header; all below `--namespace` (`/camera`).
"""

from __future__ import annotations

import argparse
import itertools
import sys

from seg_ros import runtime
from seg_ros.cli.arguments import parse

ENCODINGS = ("bgr8", "mono8", "rgb8")


def main(args: list[str] | None = None) -> None:
    """Runs the camera until it is shut down or, with `--no-loop`, its source is at the end.

    Exits 0 then, 1 at a picture that does not decode, 2 if the source does not open.
    """
    runtime.prepare()
    runtime.interrupt_once()
    parser = _parser()
    options = parse(parser, args)
    if options.rate <= 0 or (options.size and min(options.size) < 1):
        parser.error(f"--rate and --size must be above 0, got {options.rate} and {options.size}")
    if options.ahead < 0:
        parser.error(f"--ahead must be a number of pictures, or 0, got {options.ahead}")

    import cv2

    from seg_ros.sources import open_source

    cv2.setNumThreads(1)  # a camera must not take the cores that the network needs
    try:
        size = tuple(options.size) if options.size else None
        pictures = open_source(options.source, size, options.rate, options.loop, options.seed)
        if options.ahead:
            repeated = itertools.cycle if options.loop else iter
            pictures = repeated(list(itertools.islice(pictures, options.ahead)))
        else:
            pictures = itertools.chain([next(pictures)], pictures)  # raises now what is wrong with the first
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))

    from rclpy.executors import SingleThreadedExecutor

    from seg_ros.ros.camera import Camera
    from seg_ros.ros.interrupt import session

    try:
        with session(args):
            camera = Camera(
                pictures,
                namespace=options.namespace,
                rate=options.rate,
                encoding=options.encoding,
                reliable=options.qos == "reliable",
                frame_id=options.frame_id,
                compressed=options.compressed,
                source=options.source,
            )
            executor = SingleThreadedExecutor()
            executor.add_node(camera)
            while not camera.finished:
                executor.spin_once()
    except ValueError as error:  # a picture that does not decode
        sys.exit(f"camera: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="camera", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", default="street", help="street, a folder of pictures, a video file, or a webcam's number")
    add("--namespace", default="/camera", help="of the topics")
    add("--rate", type=float, default=30.0, help="Hz")
    add("--size", type=int, nargs=2, metavar=("H", "W"), help="pixels (default: the source's own)")
    add("--encoding", choices=ENCODINGS, default="rgb8")
    add("--qos", choices=("best_effort", "reliable"), default="best_effort")
    add("--frame-id", default="camera_optical_frame")
    add("--loop", action=argparse.BooleanOptionalAction, default=True, help="start again at the end")
    add("--ahead", type=int, default=0, help="make so many pictures first, and repeat them: takes no time afterwards")
    add("--seed", type=int, default=20000, help="of the street")
    add("--compressed", action="store_true", help="also publish image_raw/compressed (JPEG)")
    return parser


if __name__ == "__main__":
    main()
