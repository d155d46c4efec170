"""Trains a network and writes a weights file.

    python -m seg_ros.cli.train --data street --run runs/street
    python -m seg_ros.cli.train --data ../shared/data/camvid --classes camvid --run runs/camvid

A data set is a folder with `train/` and `val/`. For networks that give every pixel a class each has `images/` and
`labels/` (8-bit label images of the same stem), and `classes.json` lies beside them. For those that find objects
(`mask_rcnn`) each has `annotations.json` (COCO), `via_region_data.json` (VIA), or `images/`, `labels/` and `instances/`
(16-bit object ids); `classes.json` may be left out where annotations name the classes. `--data street` renders one from
the synthetic street first. An interrupted run goes on with `--resume`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from seg_ros.classes import CAMVID
from seg_ros.cli.arguments import positive, whole
from seg_ros.cli.command import command
from seg_ros.files import aside, check_file, check_folder
from seg_ros.manifest import LARGEST_SIDE, Manifest
from seg_ros.models import MODELS
from seg_ros.training.recipe import Recipe

if TYPE_CHECKING:
    from seg_ros.training.start import Start

# Seeds below 10000 are for training, 10000.. for choosing the best epoch; the demo and the tests use 20000..
STREET_TRAIN = range(0, 600)
STREET_VAL = range(10000, 10030)


@command
def main(arguments: list[str] | None = None) -> None:
    args = _parser().parse_args(arguments)

    import torch

    from seg_ros.cli.evaluate import report
    from seg_ros.training import checkpoint
    from seg_ros.training.augment import Augment
    from seg_ros.training.datasets import render_street
    from seg_ros.training.folders import check_parts
    from seg_ros.training.start import Start
    from seg_ros.training.tasks import TASKS
    from seg_ros.training.train import Trainer

    # All that can be wrong with the arguments is said before anything is rendered, counted or trained.
    if args.resume:
        checkpoint.find(args.run)
    else:
        checkpoint.refuse(args.run)
    check_folder(args.run)
    if args.output:
        check_file(args.output)
    augment = Augment(tuple(args.crop), tuple(args.scale), fit=args.fit)
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    start = Start.read(args.start) if args.start else None
    data = Path(args.data)
    if args.data == "street":
        data = args.run / "street"
        render_street(data / "train", STREET_TRAIN, 4, progress=lambda s: tqdm(s, desc="render train"))
        render_street(data / "val", STREET_VAL, 3, progress=lambda s: tqdm(s, desc="render val"))
    check_parts(data)
    architecture = _architecture(args, start)
    network = MODELS[architecture]
    given = args.classes or ("camvid" if args.data == "street" else "")
    classes = TASKS[network.task].classes(data, given)
    chosen, whence = _network(args, architecture, start, torch.cuda.is_available())
    shape = network.count(classes) | chosen
    for name, count in network.count(classes).items():
        if shape[name] != count:
            raise ValueError(f"expected {name}={count} as in the class map, got {name}={shape[name]}; leave it out")
    manifest = Manifest(architecture, shape, classes, tuple(args.input_size), dataset=data.name, licence=args.licence)
    surveys = {}
    for part in ("train", "val"):
        surveys[part] = TASKS[network.task](manifest).survey(data / part, learn=part == "train")
        print("\n".join(surveys[part].lines), flush=True)
    model = network.build(**shape)
    size = sum(p.numel() for p in model.parameters()) / 1e6
    print(f"network: {architecture} --arguments {_written(chosen)} ({size:.2f} million weights){whence}")
    if start:
        parts = sorted({".".join(name.split(".")[:3]) for name in start.fill(model)})
        print(f"starts from {args.start}; new: {', '.join(parts) or 'nothing'}")
        manifest = dataclasses.replace(manifest, mean=start.mean, std=start.std)
    recipe = Recipe(epochs=args.epochs, batch=args.batch, lr=args.lr, evaluate_every=args.evaluate_every)
    trainer = Trainer(model, manifest, data, args.run, augment, recipe, args.workers, surveys["train"].counts)
    if args.resume:
        trainer.resume()
        print(f"goes on after epoch {trainer.epoch} of {args.epochs}")
    try:
        best = trainer.fit()
    except KeyboardInterrupt:
        print(f"train: interrupted and saved; the same command with --resume goes on from {args.run}", file=sys.stderr)
        raise
    if args.output:
        with aside(args.output) as partial:
            shutil.copyfile(best, partial)
        print(f"best weights: {args.output}")
    report(best, data / "val", args.run)


def _architecture(args: argparse.Namespace, start: Start | None) -> str:
    """Returns the name of the network to train: what is asked for, else what is started from."""
    return args.model or (start.architecture if start else "") or "unet"


def _network(args: argparse.Namespace, architecture: str, start: Start | None, gpu: bool) -> tuple[dict, str]:
    """Returns the arguments of the network to train, its number of classes apart, and a word on who chose them."""
    network = MODELS[architecture]
    if args.arguments:
        from seg_ros.cli.common import argument

        return dict(argument(text) for text in args.arguments), ""
    if start and start.architecture == architecture:
        counted = network.count(CAMVID)
        return {n: v for n, v in start.arguments.items() if n not in counted}, f", as {args.start} has it"
    if gpu or (start and start.published) or not network.light:
        return {}, ", its own default"
    return dict(network.light), ", which a machine without a GPU trains and runs; --arguments chooses another"


def _written(arguments: dict) -> str:
    return " ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items()) or "none"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    default = "(default: %(default)s)"
    add("--data", required=True, help="folder with train/ and val/, or 'street'")
    add("--classes", default="", help="classes file, or 'camvid' (default: classes.json in --data)")
    add("--run", type=Path, required=True, help="new folder for checkpoint, best weights and pictures")
    add("--output", type=_weights_file, help="also copy the best weights to this file (default: they stay in --run)")
    add("--model", choices=sorted(MODELS), default="", help="(default: that of --start, else unet)")
    arguments = "of the network, e.g. width=16 stem=true (default: those of --start, else what fits this machine)"
    add("--arguments", nargs="+", default=[], metavar="NAME=VALUE", help=arguments)
    start = "weights to start from, or torchvision's ResNet (.pth) for the encoder; what does not fit starts at random"
    add("--start", help=f"{start} (default: all of it)")
    add("--epochs", type=whole(1), default=Recipe.epochs, help=f"passes over the pictures {default}")
    add("--batch", type=whole(1), default=Recipe.batch, help=f"pictures a step {default}")
    add("--lr", type=positive, default=Recipe.lr, help=f"peak learning rate {default}")
    size = {"type": whole(16, LARGEST_SIDE), "nargs": 2, "metavar": ("H", "W")}
    add("--crop", **size, default=[320, 416], help="pixels of a training crop (default: 320 416)")
    scale = "smallest and largest factor of a training picture's size"
    factors = {"type": positive, "nargs": 2, "metavar": ("LOW", "HIGH"), "default": [0.6, 1.8]}
    add("--scale", **factors, help=f"{scale} (default: 0.6 1.8)")
    add("--fit", action="store_true", help="scale pictures to the crop first, where their sizes differ much")
    add(
        "--evaluate-every",
        type=whole(1),
        default=1,
        metavar="N",
        help=f"epochs from one evaluation to the next {default}",
    )
    add("--input-size", **size, default=[480, 640], help="network input of the node, pixels (default: 480 640)")
    add("--licence", default="", help="terms of use, for the manifest (default: none)")
    add("--workers", type=whole(0), default=1, help=f"processes that read pictures; 0: this one reads them {default}")
    add("--threads", type=whole(1), help="of PyTorch; 1 beside other work, else it starves (default: one per core)")
    add("--seed", type=whole(0), default=0, help=f"of the random numbers {default}")
    add("--resume", action="store_true", help="go on from the checkpoint in --run, also with more epochs")
    return parser


def _weights_file(text: str) -> Path:
    if not text.endswith(".safetensors"):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .safetensors, got {text!r}")
    return Path(text)


if __name__ == "__main__":
    main()
