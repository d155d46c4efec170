"""Evaluates a weights file on a data set; JSON as last line.

Networks that give every pixel a class: mIoU, pixel accuracy, IoU by class, on label images. Networks that find objects:
AP, AP50 and AP75 of masks and boxes, without the smallest objects and, as `all_sizes`, with them, on object-id images,
COCO JSON or VIA JSON. With --tracks these networks' objects are followed through drives down the street, and the tracks
compared with those of other trackers: HOTA, sMOTSA, IDF1, id switches, ms a frame. It needs requirements/tracking.txt.
With --flicker it is told how many labels change from frame to frame on what stands still, along its true motion, and
mIoU: of the labels as they are, and as the node's parameter `smooth` makes them.

python -m seg_ros.cli.evaluate --weights unet_street --data street
python -m seg_ros.cli.evaluate --weights runs/camvid/best.safetensors --data ../shared/data/camvid/val
python -m seg_ros.cli.evaluate --weights mask_rcnn_street --data street
python -m seg_ros.cli.evaluate --weights mask_rcnn_street --tracks --seeds 20
python -m seg_ros.cli.evaluate --weights unet_street --flicker --seeds 8 --frames 60
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from tqdm import tqdm

from seg_ros.cli.arguments import whole
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


def report_tracks(weights: Path | str, seeds: int, frames: int, precision: str = "fp32") -> dict:
    """Compares trackers on held-out streets, prints the table, and, last, the JSON of the figures by tracker."""
    from seg_ros.metrics.tracks import find_trackeval

    if not find_trackeval():
        raise ValueError(
            "--tracks needs TrackEval, which is not installed: 'make setup' does it, or pip install --no-deps --target "
            "runs/tracking -r requirements/tracking.txt and PYTHONPATH=$PYTHONPATH:runs/tracking"
        )
    from seg_ros.metrics.street_tracks import compared, drives, table
    from seg_ros.models import INSTANCES
    from seg_ros.results import Selection, Wanted
    from seg_ros.segmenter import Segmenter
    from seg_ros.tracking import FAINT

    net = Segmenter.open(weights, mode="letterbox", precision=precision)
    if net.task != INSTANCES:
        raise ValueError(
            f"--tracks follows objects: expected weights that find them, {weights} give every pixel a class"
        )
    wanted = Wanted(selection=Selection(score_threshold=max(FAINT, net.least_score)))
    streets = tqdm(range(STREET_TEST.start, STREET_TEST.start + seeds), desc="streets", leave=False)
    figures = compared(drives(seed, frames, lambda frame: net(frame, wanted)) for seed in streets)
    print("\n".join(table(figures)))
    print(json.dumps(figures), flush=True)
    return figures


def report_flicker(weights: Path | str, seeds: int, frames: int) -> dict:
    """Measures flicker and mIoU on held-out streets, prints the table, and, last, the JSON of the figures by rate."""
    from seg_ros.classes import CAMVID
    from seg_ros.metrics.flicker import measured, table
    from seg_ros.models import SEMANTIC
    from seg_ros.segmenter import Segmenter

    net = Segmenter.open(weights)
    if net.task != SEMANTIC:
        raise ValueError(f"--flicker is of labels: expected weights that give pixels a class, {weights} find objects")
    if net.classes.names != CAMVID.names:
        raise ValueError(f"--flicker needs the street's classes {CAMVID.names}, {weights} have {net.classes.names}")
    streets = range(STREET_TEST.start, STREET_TEST.start + seeds)
    figures = measured(streets, frames, net.classes, net, lambda s: tqdm(s, desc="streets", leave=False))
    print("\n".join(table(figures)))
    print(json.dumps(figures), flush=True)
    return figures


@command
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--weights", required=True, help="file, or the bare name of shipped weights")
    add("--data", help="folder of a data set, or 'street' (held-out seeds)")
    add("--classes", default="", help="classes file of the data, or 'camvid' (default: its own classes.json)")
    add("--output", type=Path, default=Path("runs/evaluate"), help="folder for the pictures")
    add("--precision", choices=PRECISIONS, default="fp32", help="of weights and features, as the engines take them")
    add("--tracks", action="store_true", help="compare trackers on streets, in place of --data")
    add("--flicker", action="store_true", help="measure how labels flicker on streets, in place of --data")
    add("--seeds", type=whole(1), default=20, help="with --tracks and --flicker: streets")
    add("--frames", type=whole(1), default=150, help="with these: of each street at 30 and at 10 Hz")
    args = parser.parse_args(arguments)
    if (args.tracks, args.flicker, bool(args.data)).count(True) != 1:
        parser.error("one of --data, --tracks and --flicker is needed")
    if args.tracks:
        report_tracks(args.weights, args.seeds, args.frames, args.precision)
        return
    if args.flicker:
        report_flicker(args.weights, args.seeds, args.frames)
        return
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
        check_same_classes(data, manifest.classes, args.classes)
        report(args.weights, data, args.output, args.precision)


if __name__ == "__main__":
    main()
