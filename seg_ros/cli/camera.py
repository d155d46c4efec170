"""Publishes pictures as a camera topic: the synthetic street, a folder, a video file or a webcam.

    ros2 run seg_ros camera                                # the street, 480x640 at 30 Hz
    ros2 run seg_ros camera --source pictures/ --rate 10
    ros2 run seg_ros camera --source drive.mp4             # at the video's own rate
    ros2 run seg_ros camera --source 0 --compressed        # the first webcam
    ros2 run seg_ros camera --ahead 150                    # 5 s of the street again and again, at hardly any load

Publishes `image_raw`, with `--compressed` also `image_raw/compressed`, of the street `camera_info`, and, where the
source has truth (label images, or objects annotated in COCO's or VIA's JSON) and somebody subscribes, `label_truth`
(mono8 class ids) and `instance_truth` (16UC1 object ids, 0 = none) with the same header; all below `--namespace`
(`/camera`). With `--space` the street also has `depth/image_raw`, `depth/camera_info`, `lidar/points`, and for a judge
`lidar/truth` and `objects_truth`. `--depth-...` give the depth camera faults, or a place of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import sys
from typing import TYPE_CHECKING

from seg_ros import runtime
from seg_ros.cli.arguments import number, parse, positive, whole

if TYPE_CHECKING:
    from seg_ros.scenes.depth_camera import DepthCamera

ENCODINGS = ("bgr8", "mono8", "rgb8")
_RATE = 30.0
"""Hz, of sources without a rate of their own."""


def main(args: list[str] | None = None) -> None:
    """Runs the camera until it is shut down or, with `--no-loop`, its source is at the end.

    Exits 0 then, 1 at a picture that does not decode, 2 if the source does not open.
    """
    runtime.prepare()
    runtime.interrupt_once()
    parser = _parser()
    options = parse(parser, args)
    with contextlib.suppress(KeyboardInterrupt):  # while it still starts
        _run(parser, options, args)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, args: list[str] | None) -> None:
    import cv2

    from seg_ros.errors import WeightsError
    from seg_ros.manifest import read_manifest
    from seg_ros.sources import again, open_source, own_rate

    cv2.setNumThreads(1)  # a camera must not take the cores that the network needs
    try:
        size = tuple(options.size) if options.size else None
        rate = options.rate or own_rate(options.source) or _RATE
        classes = read_manifest(options.weights).classes if options.weights else None
        pictures = open_source(options.source, size, rate, options.loop, options.seed, classes, _depth_camera(options))
        if options.ahead:
            repeated = again if options.loop else iter
            pictures = repeated(list(itertools.islice(pictures, options.ahead)))
        else:
            pictures = itertools.chain([next(pictures)], pictures)  # raises now what is wrong with the first
    except (FileNotFoundError, ValueError, WeightsError) as error:
        parser.exit(2, f"camera: {error}\n")

    from rclpy.executors import SingleThreadedExecutor

    from seg_ros.ros.camera import Camera
    from seg_ros.ros.interrupt import session

    try:
        with session(args):
            camera = Camera(
                pictures,
                namespace=options.namespace,
                rate=rate,
                encoding=options.encoding,
                reliable=options.qos == "reliable",
                frame_id=options.frame_id,
                compressed=options.compressed,
                segmentation=options.segmentation,
                source=options.source,
            )
            executor = SingleThreadedExecutor()
            executor.add_node(camera)
            while not camera.finished:
                executor.spin_once()
    except ValueError as error:  # a picture that does not decode
        sys.exit(f"camera: {error}")


def _depth_camera(options: argparse.Namespace) -> DepthCamera | None:
    """Returns the street's depth camera; None without `--space`.

    Raises:
        ValueError: noise or holes are none that a camera may have.
    """
    from seg_ros.scenes.depth_camera import DepthCamera

    if options.depth_noise < 0 or not 0 <= options.depth_holes <= 1:
        raise ValueError(
            f"--depth-noise must be from 0 on and --depth-holes from 0 to 1, got {options.depth_noise:g} and "
            f"{options.depth_holes:g}"
        )
    place = tuple(options.depth_place) if options.depth_place else None
    faults = options.depth_noise, options.depth_holes, options.depth_offset
    return DepthCamera(*faults, place) if options.space else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="camera", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--source",
        default="street",
        help="street, a folder of pictures, a video file, or a webcam's number (default: %(default)s)",
    )
    add("--namespace", default="/camera", help="of the topics (default: %(default)s)")
    add("--rate", type=positive, help=f"Hz (default: a video's own, else {_RATE:g})")
    add("--size", type=whole(1), nargs=2, metavar=("H", "W"), help="pixels (default: the source's own)")
    add("--encoding", choices=ENCODINGS, default="rgb8", help="of image_raw (default: %(default)s)")
    add("--qos", choices=("best_effort", "reliable"), default="best_effort", help="(default: %(default)s)")
    add("--frame-id", default="camera_optical_frame", help="of every message (default: %(default)s)")
    add("--loop", action=argparse.BooleanOptionalAction, default=True, help="start again at the end (default: yes)")
    ahead = "make so many pictures first, and repeat them: takes no time afterwards"
    add("--ahead", type=whole(0), default=0, help=ahead)
    add("--seed", type=int, default=20000, help="of the street (default: %(default)s)")
    add("--weights", help="whose classes the truth must be of (default: classes.json, else as annotated)")
    space = "also publish what a depth camera and a LiDAR measure of the street: depth/image_raw, lidar/points"
    add("--space", action="store_true", help=space)
    add("--depth-noise", type=number, default=0.0, metavar="M", help="of a distance of 1 m; grows with its square")
    add("--depth-holes", type=number, default=0.0, metavar="SHARE", help="of pixels without depth, 0 to 1")
    add("--depth-offset", type=number, default=0.0, metavar="S", help="seconds by which depth images are later")
    beside = "of a depth camera of its own, m to the right, down and ahead (default: the camera itself measures depth)"
    add("--depth-place", type=number, nargs=3, metavar=("X", "Y", "Z"), help=beside)
    true = "also publish the true label, instances and camera_info below this name, in place of a segmentation node"
    add("--segmentation", default="", metavar="NAME", help=true)
    add("--compressed", action="store_true", help="also publish image_raw/compressed (JPEG)")
    return parser


if __name__ == "__main__":
    main()
