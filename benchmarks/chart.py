"""Draws the rows of a benchmark as bars.

python -m seg_ros.cli.benchmark --weights mine.safetensors | python -m benchmarks.chart bars.png
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

_COLOURS = {"pytorch": "#9a9a9a", "torchvision": "#6f93c0", "eager": "#7fbcd2", "inductor": "#e8883a",
            "tensorrt": "#58b45a", "openvino": "#8a6bbd"}  # fmt: skip
_BAR, _MARGIN = 0.26, 1.1
"""Inches: of a bar with its gap; of a network's heading, and of what stands below all."""


def draw(rows: list[dict], path: Path) -> None:
    """Writes a PNG with a bar for each row, as long as its p50 latency a picture, grouped by network and size."""
    groups = [list(group) for _, group in itertools.groupby(rows, lambda r: (r["model"], r["height"], r["width"]))]
    height = sum(_BAR * len(group) + 0.5 for group in groups) + _MARGIN
    figure = Figure(figsize=(9.0, height), layout="constrained")
    ratios = [_BAR * len(group) + 0.5 for group in groups]
    axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for axis, group in zip(axes, groups, strict=True):
        times = [row["p50_ms"] / row["batch"] for row in group]
        bars = axis.barh([_label(row) for row in group], times, 0.75, color=[_colour(row) for row in group])
        texts = [f"{time:.1f} ms, {row['vs_eager']:.2f}x" for time, row in zip(times, group, strict=True)]
        axis.bar_label(bars, texts, padding=4, fontsize=8)
        first = group[0]
        axis.set_title(f"{first['model']}, {first['height']} x {first['width']}", loc="left", fontsize=10)
        axis.invert_yaxis()
        axis.margins(x=0.2)
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("p50 latency a picture, ms; and times as fast as plain PyTorch", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _label(row: dict) -> str:
    batch = f", batch {row['batch']}" if row["batch"] > 1 else ""
    return f"{row['engine']} {row['precision']}{batch}"


def _colour(row: dict) -> str:
    return _COLOURS.get(row["engine"], "#b08a6a")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("png", type=Path, help="to write; the rows are the last line of stdin, JSON")
    path = parser.parse_args(arguments).png
    draw(json.loads(sys.stdin.read().splitlines()[-1]), path)


if __name__ == "__main__":
    main()
