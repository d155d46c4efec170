"""Latency of networks on engines, each beside plain eager PyTorch in the same process.

    python -m seg_ros.cli.benchmark --weights unet_street unet_camvid fcn_camvid
    python -m seg_ros.cli.benchmark --model unet --arguments classes=11 width=24 stem=true --size 360 480

Times the whole graph, pixels to labels or objects. Table on stdout; the last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from seg_ros import weights
from seg_ros.cli.common import argument, build, one_line_errors
from seg_ros.engines import ENGINES, open_engine
from seg_ros.models import MODELS
from seg_ros.models.graph import make_graph

COLUMNS = ("model", "engine", "height", "width", "gflop", "p50_ms", "p99_ms", "fps", "vs_eager")


def measure(run: Callable, seconds: float) -> tuple[float, float]:
    """p50 and p99 of `run()` in milliseconds, over at least ten calls and about `seconds`."""
    run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < 10 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))


@torch.inference_mode()
def rows(name: str, graph: nn.Module, size: tuple[int, int], digest: str, seconds: float) -> list[dict]:
    """One row an engine, and one for plain eager PyTorch (contiguous NCHW, as most code runs it)."""
    pixels = torch.randint(0, 256, (1, *size, 3), dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        graph(pixels)
    plain = measure(lambda: graph(pixels), seconds)
    timings = {"plain eager": plain}
    for engine in ENGINES:
        run = open_engine(engine, graph, (1, *size), digest).run
        timings[engine] = measure(lambda run=run: run(pixels), seconds)
    return [
        {
            "model": name,
            "engine": engine,
            "device": "cpu",
            "precision": "fp32",
            "batch": 1,
            "height": size[0],
            "width": size[1],
            "gflop": round(counter.get_total_flops() / 1e9, 2),
            "p50_ms": round(p50, 2),
            "p99_ms": round(p99, 2),
            "fps": round(1e3 / p50, 1),
            "vs_eager": round(plain[0] / p50, 2),
        }
        for engine, (p50, p99) in timings.items()
    ]


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", nargs="+", help="files, or bare names of shipped weights")
    what.add_argument("--model", choices=sorted(MODELS), help="an untrained network, with --arguments")
    add("--arguments", nargs="+", default=[], metavar="NAME=VALUE", help="of the model")
    add("--size", type=int, nargs=2, metavar=("H", "W"), help="network input (default: the weights' own, or 480 640)")
    add("--seconds", type=float, default=3.0, help="of measuring each engine")
    args = parser.parse_args(arguments)
    table = []
    if args.model:
        torch.manual_seed(0)
        model = build(args.model, dict(argument(text) for text in args.arguments))
        things = getattr(model, "things", 0)
        graph = make_graph(model, (0.5,) * 3, (0.25,) * 3, range(1, things + 1))
        name = " ".join([args.model, *args.arguments])
        table += rows(name, graph, tuple(args.size or (480, 640)), name, args.seconds)
    for name in args.weights or []:
        model, manifest = weights.load_model(name)
        graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
        digest = weights.digest(model.state_dict(), manifest)
        table += rows(name, graph, tuple(args.size or manifest.input_size), digest, args.seconds)
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for row in table:
        print("| " + " | ".join(str(row[column]) for column in COLUMNS) + " |")
    print(json.dumps(table), flush=True)


if __name__ == "__main__":
    main()
