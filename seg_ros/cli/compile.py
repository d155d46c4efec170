"""Compiles networks into the engine cache ahead of time, and compares them with plain PyTorch.

    python -m seg_ros.cli.compile --weights unet_street
    python -m seg_ros.cli.compile --weights unet_street --engine tensorrt --precision fp16 --batch 4

The node does the same when it is configured and finds nothing in the cache; but with engine auto on a CPU it builds
only what is ready within seconds, and this compiles and measures all, for the node to take the fastest. Without a GPU
the engine `tensorrt` is compiled and not run, to be carried to a machine that has one (docs/tensorrt.md). The last line
is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING

from seg_ros.cli.arguments import whole
from seg_ros.cli.command import command
from seg_ros.engines import ENGINES, PRECISIONS
from seg_ros.share import expanded

if TYPE_CHECKING:
    from seg_ros.cli.common import Subject


def compile_one(subject: Subject, args: argparse.Namespace) -> dict:
    """Builds or finds the engine, compares it, prints a line; returns the row."""
    from seg_ros.agreement import agreement, street_pictures
    from seg_ros.engines.ahead import compile_ahead
    from seg_ros.engines.opening import best_device, open_engine

    shape = (args.batch, *(args.size or subject.size))
    where = expanded(args.cache_dir, "--cache-dir") if args.cache_dir else None
    if args.engine == "tensorrt" and args.device != "cpu" and best_device() == "cpu":
        made = compile_ahead(subject.graph, shape, subject.digest, where, args.precision)
        row = _row(subject, shape, "tensorrt", "cuda", made.precision, made.seconds)
        return _say(row, f"not run, without a GPU; {made.path}") | {"path": str(made.path)}
    engine = open_engine(
        args.engine, subject.graph, shape, subject.digest, where, args.precision, args.device,
        int8_loss=subject.int8_loss, compile_all=True,
    )  # fmt: skip
    agrees = agreement(engine, subject.graph, street_pictures(shape))
    row = _row(subject, shape, engine.name, engine.device, engine.precision, engine.seconds)
    return _say(row, str(agrees)) | {
        "labels": round(agrees.labels, 6),
        "error": round(agrees.error, 4),
        "refused": engine.refused,
        "measured": {name: round(milliseconds, 2) for name, milliseconds in engine.measured.items()},
    }


def _row(
    subject: Subject, shape: tuple[int, int, int], engine: str, device: str, precision: str, seconds: float
) -> dict:
    batch, height, width = shape
    return {
        "model": subject.name,
        "engine": engine,
        "device": device,
        "precision": precision,
        "batch": batch,
        "height": height,
        "width": width,
        "seconds": round(seconds, 1),
    }


def _say(row: dict, rest: str) -> dict:
    took = f"compiled in {row['seconds']:.0f} s" if row["seconds"] else "nothing had to be compiled"
    size = f"{row['batch']}x{row['height']}x{row['width']}"
    print(f"{row['model']}: {row['engine']} {row['precision']} on {row['device']}, {size}: {took}; {rest}", flush=True)
    return row


@command
def main(arguments: list[str] | None = None) -> None:
    from seg_ros.cli.common import add_subjects, subjects
    from seg_ros.engines.threads import set_threads

    parser = argparse.ArgumentParser(
        prog="compile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_subjects(parser)
    add = parser.add_argument
    add("--engine", default="auto", choices=("auto", *ENGINES))
    add("--precision", default="auto", choices=("auto", *PRECISIONS), help="of weights and features")
    add("--batch", type=whole(1), default=1, help="pictures at a time")
    add("--cache-dir", help="default: $XDG_CACHE_HOME/seg_ros, or ~/.cache/seg_ros")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("seg_ros").setLevel(logging.INFO)
    print(json.dumps([compile_one(subject, args) for subject in subjects(args)]), flush=True)


if __name__ == "__main__":
    main()
