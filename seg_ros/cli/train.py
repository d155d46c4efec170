"""Trains a network and writes a weights file.

    python -m seg_ros.cli.train --data street --run runs/street --arguments width=16 stem=true
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
import shutil
from pathlib import Path

from tqdm import tqdm

from seg_ros.cli.command import command
from seg_ros.manifest import Manifest
from seg_ros.models import MODELS

# Seeds below 10000 are for training, 10000.. for choosing the best epoch; the demo and the tests use 20000..
STREET_TRAIN = range(0, 600)
STREET_VAL = range(10000, 10030)


@command
def main(arguments: list[str] | None = None) -> None:
    import torch

    from seg_ros.cli.common import argument
    from seg_ros.cli.evaluate import report
    from seg_ros.training.augment import Augment
    from seg_ros.training.datasets import render_street
    from seg_ros.training.start import Start
    from seg_ros.training.tasks import TASKS
    from seg_ros.training.train import Recipe, Trainer, checkpoint

    parser = argparse.ArgumentParser(
        prog="train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", required=True, help="folder with train/ and val/, or 'street'")
    add("--classes", default="", help="classes file, or 'camvid' (default: classes.json in --data)")
    add("--run", type=Path, required=True, help="folder for checkpoints, best weights and pictures")
    add("--output", type=Path, help="also copy the best weights to this file")
    add("--model", choices=sorted(MODELS), default="unet")
    add("--arguments", nargs="+", default=[], metavar="NAME=VALUE", help="of the model, e.g. width=16 stem=true")
    start = "weights to start from, or torchvision's ResNet (.pth) for the encoder; what does not fit starts at random"
    add("--start", help=start)
    add("--epochs", type=int, default=Recipe.epochs)
    add("--batch", type=int, default=Recipe.batch, help="pictures a step")
    add("--lr", type=float, default=Recipe.lr, help="peak learning rate")
    add("--crop", type=int, nargs=2, default=(320, 416), metavar=("H", "W"), help="pixels of a training crop")
    add("--fit", action="store_true", help="scale pictures to the crop first, where their sizes differ much")
    add("--evaluate-every", type=int, default=Recipe.evaluate_every, metavar="N", help="epochs")
    add(
        "--input-size",
        type=int,
        nargs=2,
        default=(480, 640),
        metavar=("H", "W"),
        help="network input of the node",
    )
    add("--licence", default="", help="terms of use, for the manifest")
    add("--workers", type=int, default=1, help="processes that read pictures")
    add("--threads", type=int, help="threads of PyTorch (1 beside other work, else it starves)")
    add("--seed", type=int, default=0)
    add("--resume", action="store_true", help="go on from --run")
    args = parser.parse_args(arguments)

    if args.resume:
        checkpoint(args.run)  # before anything is rendered
    torch.manual_seed(args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    data = Path(args.data)
    if args.data == "street":
        data = args.run / "street"
        render_street(data / "train", STREET_TRAIN, 4, progress=lambda s: tqdm(s, desc="render train"))
        render_street(data / "val", STREET_VAL, 3, progress=lambda s: tqdm(s, desc="render val"))
    network = MODELS[args.model]
    given = args.classes or ("camvid" if args.data == "street" else "")
    classes = TASKS[network.task].classes(data, given)
    shape = network.count(classes) | dict(argument(text) for text in args.arguments)
    for name, count in network.count(classes).items():
        if shape[name] != count:
            raise ValueError(f"expected {name}={count} as in the class map, got {name}={shape[name]}; leave it out")
    manifest = Manifest(args.model, shape, classes, tuple(args.input_size), dataset=data.name, licence=args.licence)
    surveys = {}
    for part in ("train", "val"):
        surveys[part] = TASKS[network.task](manifest).survey(data / part, learn=part == "train")
        print("\n".join(surveys[part].lines), flush=True)
    model = network.build(**shape)
    if args.start:
        start = Start.read(args.start)
        parts = sorted({".".join(name.split(".")[:3]) for name in start.fill(model)})
        print(f"starts from {args.start}; new: {', '.join(parts) or 'nothing'}")
        manifest = dataclasses.replace(manifest, mean=start.mean, std=start.std)
    recipe = Recipe(epochs=args.epochs, batch=args.batch, lr=args.lr, evaluate_every=args.evaluate_every)
    augment = Augment(tuple(args.crop), fit=args.fit)
    trainer = Trainer(model, manifest, data, args.run, augment, recipe, args.workers, surveys["train"].counts)
    if args.resume:
        trainer.resume()
    best = trainer.fit()
    if args.output:
        shutil.copyfile(best, args.output)
        print(f"best weights: {args.output}")
    report(best, data / "val", args.run)


if __name__ == "__main__":
    main()
