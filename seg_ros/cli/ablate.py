"""What each ingredient of the training recipe gives: trains with all of them, then with each left out.

    python -m seg_ros.cli.ablate --data ../shared/data/camvid --classes camvid --start unet_street --epochs 12

Prints a table of val mIoU, and the same as JSON in the last line. Short runs on one seed: differences below about
one point are noise.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

import torch

from seg_ros.cli.common import one_line_errors
from seg_ros.errors import WeightsError
from seg_ros.models import INSTANCE_MODELS, MODELS
from seg_ros.training.augment import Augment
from seg_ros.training.datasets import load_classes
from seg_ros.training.train import Recipe, Trainer, start_from
from seg_ros.weights import Manifest, load

ROWS = {
    "all": {},
    "no scaling": {"scale": (1.0, 1.0)},
    "no colour": {"colour": 0.0},
    "no class weights": {"weighted": False},
    "no Dice": {"dice": 0.0},
    "no EMA": {"ema": 0.0},
    "no pretraining": {"start": None},
}
"""What each row of the table changes."""


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="ablate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with train/ and val/")
    add("--classes", default="", help="classes file, or 'camvid'")
    add("--start", required=True, help="weights to start from; they also say which network")
    add("--epochs", type=int, default=12)
    add("--crop", type=int, nargs=2, default=(224, 320), metavar=("H", "W"))
    add("--rate", type=float, default=Recipe.rate)
    add("--workers", type=int, default=1)
    add("--threads", type=int)
    args = parser.parse_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    source, _ = load(args.start)
    if source.architecture in INSTANCE_MODELS:
        raise WeightsError(
            f"{args.start}: expected a label network, whose recipe this takes apart, got {source.architecture}"
        )
    classes = load_classes(args.data, args.classes)
    shape = source.arguments | {"classes": len(classes)}
    manifest = Manifest(source.architecture, shape, classes, source.input_size)
    figures = {}
    for row, changes in ROWS.items():
        torch.manual_seed(0)
        model = MODELS[manifest.architecture](**shape)
        if changes.get("start", args.start):
            start_from(model, args.start)
        augment = dataclasses.replace(Augment(tuple(args.crop)), **_of(Augment, changes))
        recipe = Recipe(args.epochs, rate=args.rate, evaluate_every=args.epochs)
        recipe = dataclasses.replace(recipe, **_of(Recipe, changes))
        with tempfile.TemporaryDirectory() as run:
            trainer = Trainer(model, manifest, args.data, Path(run), augment, recipe, args.workers)
            trainer.fit()
        figures[row] = round(trainer.best, 4)
    print("| recipe | val mIoU | difference |\n|---|---|---|")
    for row, miou in figures.items():
        print(f"| {row} | {100 * miou:.1f} | {100 * (miou - figures['all']):+.1f} |")
    print(json.dumps(figures), flush=True)


def _of(kind: type, changes: dict) -> dict:
    """The changes that are fields of `kind`."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in changes.items() if name in names}


if __name__ == "__main__":
    main()
