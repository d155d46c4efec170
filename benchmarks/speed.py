"""Makes the one table of speed: every shipped network on every engine that works here, beside plain PyTorch.

    python -m benchmarks.speed

Times as seg_ros.cli.benchmark does, in one run: at batch 1, the size that the weights were trained for, float32 and
what the device is made for. Prints the table, writes it into docs/benchmarks.md and draws docs/img/benchmark.png. The
last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.chart import draw
from benchmarks.page import DOCS, machine, write_section
from seg_ros.cli.command import command

WEIGHTS = ("unet_street", "unet_camvid", "fcn_camvid", "mask_rcnn_street")
_HEADINGS = ("network", "input (H, W)", "GFLOP", "engine", "p50 ms", "p99 ms", "peak MB", "of the roof",
             "x plain PyTorch", "x torchvision")  # fmt: skip


def section(rows: list[dict], where: str, roofs: Any) -> str:
    """Writes the page's words and table; `where`: the text of `machine`, `roofs`: the machine's peaks."""
    from seg_ros.cli.common import markdown_table

    return f"{where} Measured peaks: {roofs}.\n\n{markdown_table([_cells(row) for row in rows], _HEADINGS)}"


def _cells(row: dict) -> dict:
    beside = row["vs_torchvision"]
    share = row["roof_share"]
    what = "plain PyTorch" if row["engine"] == "pytorch" else f"{row['engine']} {row['precision']}"
    values = (
        f"`{row['model']}`", f"({row['height']}, {row['width']})", f"{row['gflop']:.1f}", what, f"{row['p50_ms']:.1f}",
        f"{row['p99_ms']:.1f}", row["peak_mb"], None if share is None else f"{100 * share:.0f} %",
        f"{row['vs_eager']:.2f}", None if beside is None else f"{beside:.2f}",
    )  # fmt: skip
    return dict(zip(_HEADINGS, values, strict=True))


@command
def main(arguments: list[str] | None = None) -> None:
    import torch

    from seg_ros.cli import latency
    from seg_ros.cli.common import Subject
    from seg_ros.engines import DEVICES, ENGINES
    from seg_ros.engines.opening import best_device
    from seg_ros.engines.threads import set_threads

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", nargs="+", default=WEIGHTS, help="files, or bare names of shipped weights")
    add("--engine", nargs="+", choices=tuple(ENGINES), default=list(ENGINES), help="default: all that work here")
    add("--device", choices=("auto", *DEVICES), default="auto")
    add("--threads", type=int, default=0, help="on the CPU, as the node's parameter (default: one per core)")
    add("--seconds", type=float, default=5.0, help="of measuring each row")
    add("--docs", type=Path, default=DOCS, help="folder of benchmarks.md and img/ (default: this tree's)")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    device = best_device() if args.device == "auto" else args.device
    subjects = [Subject.shipped(path) for path in args.weights]
    rows, roofs = latency.table(subjects, args.engine, device=device, seconds=args.seconds)
    gpu = torch.cuda.get_device_name() if device == "cuda" else ""
    text = section(rows, machine("torch", "torchvision", "torch-tensorrt", "openvino", gpu=gpu), roofs)
    print(text)
    write_section(args.docs, "speed", text)
    draw(rows, args.docs / "img/benchmark.png")
    print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main()
