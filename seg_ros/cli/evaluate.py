"""Evaluates a weights file on a label-image data set: mIoU, pixel accuracy, IoU by class; JSON as last line.

python -m seg_ros.cli.evaluate --weights unet_street --data street
python -m seg_ros.cli.evaluate --weights runs/camvid/best.safetensors --data ../shared/data/camvid/val
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from seg_ros.classes import ClassMap
from seg_ros.cli.common import one_line_errors
from seg_ros.training.datasets import render_street
from seg_ros.training.evaluate import contact_sheet, evaluate
from seg_ros.training.metrics import Confusion
from seg_ros.weights import find, load_model

STREET_TEST = range(20000, 20040)
"""Seeds that neither training nor the choice of the best epoch has seen."""


def report(weights: Path | str, data: Path, output: Path) -> dict:
    """Evaluates, prints the table, and, last, the JSON of the figures.

    Writes `confusion.png` and `contact_sheet.png` to `output`.
    """
    model, manifest = load_model(weights)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    confusion, scored = evaluate(model, manifest, data, device)
    figures = confusion.summary(manifest.classes)
    output.mkdir(parents=True, exist_ok=True)
    matrix, sheet = output / "confusion.png", output / "contact_sheet.png"
    cv2.imwrite(str(matrix), draw_confusion(confusion, manifest.classes))
    cv2.imwrite(str(sheet), contact_sheet(model.cpu(), manifest, scored))
    for name, iou in figures["iou"].items():
        print(f"  {name:12s} {'absent' if iou is None else f'{100 * iou:5.1f}'}")
    print(f"mIoU {100 * figures['miou']:.1f}  pixel accuracy {100 * figures['pixel_accuracy']:.1f}")
    print(f"confusion matrix: {matrix}\nbest, median and worst pictures: {sheet}")
    print(json.dumps(figures), flush=True)
    return figures


def draw_confusion(confusion: Confusion, classes: ClassMap, cell: int = 56) -> np.ndarray:
    """The confusion matrix in percent of each truth row, as a `(H, W, 3) uint8` BGR picture."""
    n, margin = len(classes), 120
    share = confusion.matrix / np.maximum(confusion.truths, 1)[:, None]
    picture = np.full((margin + n * cell, margin + n * cell, 3), 255, np.uint8)
    shades = cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    picture[margin:, margin:] = cv2.resize(shades, (n * cell, n * cell), interpolation=cv2.INTER_NEAREST)

    def write(text: str, x: int, y: int, colour: tuple[int, int, int] = (0, 0, 0)) -> None:
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)

    for i, name in enumerate(classes.names):
        write(name[:14], 6, margin + i * cell + cell // 2)
        write(name[:7], margin + i * cell + 2, margin - 8 - 16 * (i % 2))
        for j in range(n):
            light = share[i, j] > 0.6
            write(
                f"{100 * share[i, j]:.0f}", margin + j * cell + 16, margin + i * cell + 34,
                (0, 0, 0) if light else (255, 255, 255),
            )  # fmt: skip
    write("truth (rows) / prediction (columns), % of the row", 6, 16)
    return picture


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--weights", required=True, help="file, or the bare name of shipped weights")
    add("--data", required=True, help="folder with images/ and labels/, or 'street' (held-out seeds)")
    add("--output", type=Path, default=Path("runs/evaluate"), help="folder for the pictures")
    args = parser.parse_args(arguments)
    find(args.weights)  # before anything is rendered
    if args.data != "street":
        report(args.weights, Path(args.data), args.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        render_street(Path(folder), STREET_TEST, 3, progress=lambda s: tqdm(s, desc="render", leave=False))
        report(args.weights, Path(folder), args.output)


if __name__ == "__main__":
    main()
