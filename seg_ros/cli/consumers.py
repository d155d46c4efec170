"""Prints the settings of a program that takes labels, filled in from weights and the node's topics.

    python -m seg_ros.cli.consumers nav2 --weights unet_street
    python -m seg_ros.cli.consumers nvblox --weights unet_street --node /front/segmentation --classes pedestrian car

YAML comes out, and its comments say where to paste what. docs/consumers.md has the rest.
"""

from __future__ import annotations

import argparse

from seg_ros.cli.command import one_line_errors


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    from seg_ros.consumers import CONSUMERS, Source
    from seg_ros.manifest import read_manifest

    parser = argparse.ArgumentParser(
        prog="consumers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("consumer", choices=CONSUMERS, help="that takes the labels")
    add("--weights", required=True, help="a file, or the bare name of shipped weights")
    add("--node", default="/segmentation", help="full name of the segmentation node (default: %(default)s)")
    add("--camera", default="", help="name of one camera, where the node has several: of NODE/CAMERA/label")
    add(
        "--classes",
        nargs="+",
        default=(),
        metavar="NAME",
        help="that nav2 drives on, nvblox masks, Autoware filters or MoveIt grasps, in place of those found by name",
    )
    args = parser.parse_args(arguments)
    node = "/" + args.node.removeprefix("/")
    source = Source(node, args.weights, read_manifest(args.weights), tuple(args.classes), args.camera)
    print(CONSUMERS[args.consumer](source), end="")


if __name__ == "__main__":
    main()
