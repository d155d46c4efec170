"""Compiles networks into the engine cache ahead of time, and compares them with plain PyTorch.

    python -m seg_ros.cli.compile --weights unet_street
    python -m seg_ros.cli.compile --weights unet_street --engine tensorrt --precision fp16 --batch 4

The node does the same when it is configured and finds nothing in the cache; but with engine auto on a CPU it builds
only what is ready within seconds, and this compiles and measures all, for the node to take the fastest. The last line
is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING

from seg_ros.cli.command import command
from seg_ros.engines import ENGINES, PRECISIONS
from seg_ros.share import expanded

if TYPE_CHECKING:
    from seg_ros.cli.common import Subject


def compile_one(subject: Subject, args: argparse.Namespace) -> dict:
    """Builds or finds the engine, compares it, prints a line; returns the row."""
    from seg_ros.agreement import agreement, street_pictures
    from seg_ros.engines.opening import open_engine

    shape = (args.batch, *(args.size or subject.size))
    where = expanded(args.cache_dir, "--cache-dir") if args.cache_dir else None
    engine = open_engine(
        args.engine, subject.graph, shape, subject.digest, where, args.precision, args.device,
        int8_loss=subject.int8_loss, compile_all=True,
    )  # fmt: skip
    agrees = agreement(engine, subject.graph, street_pictures(shape))
    took = f"compiled in {engine.seconds:.0f} s" if engine.seconds else "nothing had to be compiled"
    what = f"{engine.name} {engine.precision} on {engine.device}, {'x'.join(str(n) for n in shape)}"
    print(f"{subject.name}: {what}: {took}; {agrees}", flush=True)
    batch, height, width = shape
    return {
        "model": subject.name,
        "engine": engine.name,
        "device": engine.device,
        "precision": engine.precision,
        "batch": batch,
        "height": height,
        "width": width,
        "seconds": round(engine.seconds, 1),
        "labels": round(agrees.labels, 6),
        "error": round(agrees.error, 4),
        "refused": engine.refused,
        "measured": {name: round(milliseconds, 2) for name, milliseconds in engine.measured.items()},
    }


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
    add("--batch", type=int, default=1, help="pictures at a time")
    add("--cache-dir", help="default: $XDG_CACHE_HOME/seg_ros, or ~/.cache/seg_ros")
    args = parser.parse_args(arguments)
    if args.batch < 1:
        raise ValueError(f"--batch must be 1 or more, got {args.batch}")
    set_threads(args.threads)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("seg_ros").setLevel(logging.INFO)
    print(json.dumps([compile_one(subject, args) for subject in subjects(args)]), flush=True)


if __name__ == "__main__":
    main()
