"""Evaluates a weights file on a data set; JSON as last line.

Networks that give every pixel a class: mIoU, pixel accuracy, IoU by class, on label images. Networks that find objects:
AP, AP50 and AP75 of masks and boxes, without the smallest objects and, as `all_sizes`, with them, on object-id images,
COCO JSON or VIA JSON.

python -m seg_ros.cli.evaluate --weights unet_street --data street
python -m seg_ros.cli.evaluate --weights runs/camvid/best.safetensors --data ../shared/data/camvid/val
python -m seg_ros.cli.evaluate --weights mask_rcnn_street --data street
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from tqdm import tqdm

from seg_ros.cli.command import command
from seg_ros.engines import PRECISIONS
from seg_ros.files import check_folder
from seg_ros.manifest import read_manifest

STREET_TEST = range(20000, 20040)
"""Seeds that neither training nor the choice of the best epoch has seen."""


def report(weights: Path | str, data: Path, output: Path, precision: str = "fp32") -> dict:
    """Evaluates, prints the table, and, last, the JSON of the figures. Writes its pictures to `output`."""
    import torch

    from seg_ros.models.graph import make_graph
    from seg_ros.models.precision import at_precision
    from seg_ros.quantization import on_engine
    from seg_ros.training.tasks import TASKS
    from seg_ros.weights import digest, load_model

    model, manifest = load_model(weights)
    graph = make_graph(model, manifest.mean, manifest.std, manifest.classes.things, manifest.ranges)
    if precision == "int8":  # as the engine's integer kernels compute it
        device, graph = torch.device("cpu"), on_engine(graph, digest(model.state_dict(), manifest))
    else:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        graph = at_precision(graph, precision).to(device)
    evaluation = TASKS[model.task](manifest).evaluate(graph, data, device)
    output.mkdir(parents=True, exist_ok=True)
    print("\n".join([*evaluation.table(), *evaluation.draw(output)]))
    print(json.dumps(evaluation.figures), flush=True)
    return evaluation.figures


@command
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
    manifest = read_manifest(args.weights)  # before anything is rendered
    check_folder(args.output)

    from seg_ros.training.datasets import check_same_classes, render_street
    from seg_ros.training.folders import check_part

    with tempfile.TemporaryDirectory() as folder:
        data = Path(args.data)
        if args.data == "street":
            data = Path(folder)
            render_street(data, STREET_TEST, 3, progress=lambda s: tqdm(s, desc="render", leave=False))
        check_part(data)
        check_same_classes(data, manifest.classes)
        report(args.weights, data, args.output, args.precision)


if __name__ == "__main__":
    main()
