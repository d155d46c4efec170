"""Compares Mask R-CNN ResNet-50 FPN with torchvision's eager one: the same weights, the same picture, in turn.

    python -m benchmarks.compare_torchvision --size 480 640
    python -m benchmarks.compare_torchvision --write    # the table of docs/benchmarks.md

Each runs in float32, in a process of its own, so that the peak memory is its own: torchvision, ours eager, ours
compiled. The last line is JSON, a list of rows. Where torchvision's C++ operators do not load (a CPU build of PyTorch),
its NMS and RoIAlign are Python, instead: `share_python` is the share of its time that they take, and
`x_without` the ratio if they took no time at all. Weights and operators are those of the parity tests.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.page import DOCS, machine, write_section
from seg_ros import runtime
from seg_ros.cli.command import one_line_errors
from seg_ros.cli.common import markdown_table
from seg_ros.engines.opening import open_engine
from seg_ros.models.graph import make_graph
from seg_ros.models.mask_rcnn import mask_rcnn

THINGS = 90
RUNS = ("torchvision", "eager", "inductor")


def prepare(folder: Path, size: tuple[int, int]) -> None:
    """Writes weights that find about 100 objects in a picture of clouds, and that picture."""
    from test.models import test_mask_rcnn as tests
    from test.models.oracle import torchvision

    torch.manual_seed(0)
    network = torchvision().models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=THINGS + 1
    )
    clouds = torch.randn(1, 3, *size).cumsum(-1).cumsum(-2)
    clouds = ((clouds - clouds.mean()) / clouds.std()).clamp(-2, 2) * 60 + 128
    pixels = clouds.permute(0, 2, 3, 1).to(torch.uint8).contiguous()
    tests.randomise(network.eval(), normalised(pixels))
    torch.save({"network": network.state_dict(), "pixels": pixels}, folder / "same.pt")


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def measure(name: str, folder: Path, seconds: float) -> dict:
    """Measures one row, in a process of its own."""
    runtime.keep_freed_memory()
    same = torch.load(folder / "same.pt", weights_only=True)
    pixels, python = same["pixels"], [0.0]
    if name == "torchvision":
        run = torchvision_run(same["network"], python)
    else:
        model = mask_rcnn(THINGS)
        model.load_state_dict(same["network"])
        graph = make_graph(model, (0.5,) * 3, (0.25,) * 3, range(1, THINGS + 1))
        run = open_engine(name, graph, tuple(pixels.shape[:3]), "compare", folder, "fp32").run
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with torch.inference_mode():
        found = run(pixels)
        python[0], times, end = 0.0, [], time.perf_counter() + seconds
        while len(times) < 5 or time.perf_counter() < end:
            start = time.perf_counter()
            run(pixels)
            times.append(1e3 * (time.perf_counter() - start))
    return {
        "run": name,
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "share_python": round(1e3 * python[0] / sum(times), 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "loaded_mb": round(before / 1024),
        "objects": int((found[1] > 0).sum()),
    }


def torchvision_run(state: dict, python: list[float]):  # noqa: ANN201
    """Runs torchvision from pixels to mask logits; counts in `python` the seconds in its Python NMS and RoIAlign."""
    from test.models import test_mask_rcnn as tests
    from test.models.oracle import torchvision

    vision = torchvision()
    network = vision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=THINGS + 1
    ).eval()
    network.load_state_dict(state)

    def counted(function):  # noqa: ANN202
        def count(*arguments, **named):  # noqa: ANN202
            start = time.perf_counter()
            result = function(*arguments, **named)
            python[0] += time.perf_counter() - start
            return result

        return count

    if getattr(vision, "library", None):  # the operators are the oracle's
        boxes, poolers = sys.modules["torchvision.ops.boxes"], sys.modules["torchvision.ops.poolers"]
        boxes.batched_nms = vision.ops.boxes.batched_nms = counted(boxes.batched_nms)
        poolers.roi_align = counted(poolers.roi_align)

    def run(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = tests.infer(network, normalised(pixels))[0]
        return found["boxes"], found["scores"]

    return run


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 640), metavar=("H", "W"))
    parser.add_argument("--seconds", type=float, default=15.0, help="of measuring each")
    parser.add_argument("--write", action="store_true", help="also into docs/benchmarks.md")
    parser.add_argument("--measure", choices=("prepare", *RUNS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.measure == "prepare":
        prepare(args.folder, tuple(args.size))
        return
    if args.measure:
        print(json.dumps(measure(args.measure, args.folder, args.seconds)))
        return
    runtime.prepare()  # for the processes that measure
    with tempfile.TemporaryDirectory() as folder:

        def child(what: str, seconds: float) -> str:
            command = [sys.executable, "-m", "benchmarks.compare_torchvision", "--measure", what, "--folder", folder]
            command += ["--seconds", str(seconds), "--size", *map(str, args.size)]
            return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

        child("prepare", 0)
        child("inductor", 0)  # compiles, so that the process that is measured only loads
        rows = [json.loads(child(name, args.seconds)) for name in RUNS]
    theirs = rows[0]
    for row in rows:
        row["x_torchvision"] = round(theirs["p50_ms"] / row["p50_ms"], 2)
        row["x_without"] = round(theirs["p50_ms"] * (1 - theirs["share_python"]) / row["p50_ms"], 2)
    table = markdown_table(rows, list(rows[0]))
    print(table)
    if args.write:
        write_section(DOCS, "torchvision", f"{machine('torch', 'torchvision')}\n\n{table}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
