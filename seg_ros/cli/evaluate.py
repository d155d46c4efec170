"""Evaluates a weights file on a data set; JSON as last line.

Networks that give every pixel a class: mIoU, pixel accuracy, IoU by class, on label images. Networks that find objects:
AP, AP50 and AP75 of masks and boxes, on object-id images, COCO JSON or VIA JSON.

python -m seg_ros.cli.evaluate --weights unet_street --data street
python -m seg_ros.cli.evaluate --weights runs/camvid/best.safetensors --data ../shared/data/camvid/val
python -m seg_ros.cli.evaluate --weights mask_rcnn_street --data street
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from seg_ros.classes import ClassMap
from seg_ros.cli.common import one_line_errors
from seg_ros.engines import PRECISIONS
from seg_ros.manifest import Manifest, find
from seg_ros.metrics.confusion import Confusion
from seg_ros.models import INSTANCES
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision
from seg_ros.training.datasets import render_street
from seg_ros.training.evaluate import contact_sheet, evaluate
from seg_ros.training.evaluate_instances import contact_sheet as instance_sheet
from seg_ros.training.evaluate_instances import evaluate_instances
from seg_ros.training.instances import refuse_objects
from seg_ros.weights import load_model

STREET_TEST = range(20000, 20040)
"""Seeds that neither training nor the choice of the best epoch has seen."""


def report(weights: Path | str, data: Path, output: Path, precision: str = "fp32") -> dict:
    """Evaluates, prints the table, and, last, the JSON of the figures. Writes its pictures to `output`."""
    model, manifest = load_model(weights)
    model = at_precision(
        make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things)), precision
    ).model
    output.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    report_task = _report_objects if manifest.task == INSTANCES else _report_labels
    figures = report_task(model, manifest, data, output, device)
    print(json.dumps(figures), flush=True)
    return figures


def _report_labels(model: nn.Module, manifest: Manifest, data: Path, output: Path, device: torch.device) -> dict:
    refuse_objects(data)
    confusion, scored = evaluate(model, manifest, data, device)
    figures = confusion.summary(manifest.classes)
    matrix, sheet = output / "confusion.png", output / "contact_sheet.png"
    cv2.imwrite(str(matrix), draw_confusion(confusion, manifest.classes))
    cv2.imwrite(str(sheet), contact_sheet(model.cpu(), manifest, scored))
    _print_by_class(figures["iou"])
    print(f"mIoU {100 * figures['miou']:.1f}  pixel accuracy {100 * figures['pixel_accuracy']:.1f}")
    print(f"confusion matrix: {matrix}\nbest, median and worst pictures: {sheet}")
    return figures


def _report_objects(model: nn.Module, manifest: Manifest, data: Path, output: Path, device: torch.device) -> dict:
    precision, found = evaluate_instances(model, manifest, data, device)
    figures = precision.summary()
    _print_by_class(figures["ap"])
    for kind in ("mask", "box"):
        ap, ap50, ap75 = (100 * figures[f"{kind}_{name}"] for name in ("ap", "ap50", "ap75"))
        print(f"{kind} AP {ap:.1f}  AP50 {ap50:.1f}  AP75 {ap75:.1f}")
    if all(f.ap50 is None for f in found):
        print("no picture has an object to find: none is best or worst")
        return figures
    sheet = output / "contact_sheet.png"
    cv2.imwrite(str(sheet), instance_sheet(manifest, data, found))
    print(f"best, median and worst pictures: {sheet}")
    return figures


def _print_by_class(values: dict[str, float | None]) -> None:
    for name, value in values.items():
        print(f"  {name:12s} {'absent' if value is None else f'{100 * value:5.1f}'}")


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
    add("--data", required=True, help="folder of a data set, or 'street' (held-out seeds)")
    add("--output", type=Path, default=Path("runs/evaluate"), help="folder for the pictures")
    add("--precision", choices=PRECISIONS, default="fp32", help="of weights and features, as the engines take them")
    args = parser.parse_args(arguments)
    find(args.weights)  # before anything is rendered
    if args.data != "street":
        report(args.weights, Path(args.data), args.output, args.precision)
        return
    with tempfile.TemporaryDirectory() as folder:
        render_street(Path(folder), STREET_TEST, 3, progress=lambda s: tqdm(s, desc="render", leave=False))
        report(args.weights, Path(folder), args.output, args.precision)


if __name__ == "__main__":
    main()
