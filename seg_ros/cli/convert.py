"""Converts published PyTorch weights (`.pth`) to a seg_ros weights file, once.

    python -m seg_ros.cli.convert fcn_resnet50_coco.pth --output fcn_resnet50.safetensors
    python -m seg_ros.cli.convert carvana_unet.pth --classes carvana.json --output carvana.safetensors
    python -m seg_ros.cli.convert maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth --output mask_rcnn_coco.safetensors --half

Knows torchvision's fcn_resnet50, fcn_resnet101, maskrcnn_resnet50_fpn and its _v2, and the layouts of two widely used
U-Nets: see `seg_ros/convert.py`. Nothing in the file is executed.

A Mask R-CNN (not its _v2) of other classes needs `--epsilon`: 0 if it was trained from torchvision's COCO weights, 1e-5
if from an ImageNet backbone. Its tensors are the same in both cases, its scores are not.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from seg_ros import weights
from seg_ros.classes import ClassMap
from seg_ros.cli.arguments import number, whole
from seg_ros.cli.command import one_line_errors
from seg_ros.convert import convert, frozen_epsilon
from seg_ros.manifest import LARGEST_SIDE
from seg_ros.pth import read_pth


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("source", help="the .pth file")
    add("--output", type=Path, required=True, help="the .safetensors file to write")
    add("--classes", type=Path, help="classes file (JSON: names, colors, things)")
    add("--input-size", type=whole(1, LARGEST_SIDE), nargs=2, metavar=("H", "W"), help="network input of the node")
    known = "default: known for torchvision's COCO weights"
    add("--epsilon", type=number, help=f"that frozen batch normalisation adds to the variance ({known})")
    add("--half", action="store_true", help="store float16")
    add("--licence", default="", help="terms of use, for the manifest")
    args = parser.parse_args(arguments)
    classes = ClassMap.read(args.classes) if args.classes else None
    state = read_pth(args.source)
    epsilon = frozen_epsilon(state) if args.epsilon is None else args.epsilon
    manifest, tensors = convert(state, classes, args.input_size and tuple(args.input_size), epsilon)
    manifest = dataclasses.replace(manifest, dataset=Path(args.source).name, licence=args.licence)
    weights.save(args.output, tensors, manifest, half=args.half)
    weights.load_model(args.output)  # what was written builds and fits
    print(f"{args.output}: {manifest.architecture} {manifest.arguments}")
    if epsilon is not None:
        reason = "as of torchvision's COCO weights" if args.epsilon is None else "as given"
        print(f"epsilon of the frozen batch normalisation: {epsilon:g}, {reason}")


if __name__ == "__main__":
    main()
