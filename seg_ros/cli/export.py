"""Exports a network as an ONNX file, for runtimes that know nothing of this package.

    python -m seg_ros.cli.export --weights unet_street --output unet_street.onnx
    python -m seg_ros.cli.export --weights mask_rcnn_street --output finder.onnx --precision fp16 --dynamic-batch 4

Pixels go in as (N, H, W, 3) uint8 RGB; label and confidence come out, or boxes, scores, class ids and masks.
docs/onnx.md shows the file in ONNX Runtime, trtexec, Triton and Isaac ROS.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from seg_ros.cli.arguments import whole
from seg_ros.cli.command import command
from seg_ros.manifest import LARGEST_SIDE


@command
def main(arguments: list[str] | None = None) -> None:
    from seg_ros.export import PRECISIONS, export

    parser = argparse.ArgumentParser(
        prog="export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--weights", required=True, help="a file, or the bare name of shipped weights")
    add("--output", type=Path, required=True, help="the .onnx file to write")
    add("--precision", default=PRECISIONS[0], choices=PRECISIONS, help="of weights and features")
    size = "network input (default: the weights' own)"
    add("--size", type=whole(1, LARGEST_SIDE), nargs=2, metavar=("H", "W"), help=size)
    batch = parser.add_mutually_exclusive_group()
    batch.add_argument("--batch", type=whole(1), default=1, metavar="N", help="pictures at a time, always as many")
    batch.add_argument("--dynamic-batch", type=whole(2), metavar="N", help="at most; any number from 1 on fits")
    add("--isaac-ros", action="store_true", help="float32 pixels and (N, H, W, 1) int32 labels, as its nodes have them")
    args = parser.parse_args(arguments)
    dynamic = args.dynamic_batch is not None
    count = args.dynamic_batch if dynamic else args.batch
    size = args.size and tuple(args.size)
    export(args.weights, args.output, args.precision, size, count, dynamic, args.isaac_ros)
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB, {args.precision}", flush=True)


if __name__ == "__main__":
    main()
