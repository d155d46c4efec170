"""Quantises trained weights to INT8, for precision:=int8: adds the ranges of the features to the weights file.

    python -m seg_ros.cli.quantize --weights mine.safetensors --data mine
    python -m seg_ros.cli.quantize --weights unet_street --data street --output unet_street_int8.safetensors

Ranges are observed on pictures of DATA/train. A layer that bears rounding badly stays float. Both precisions are scored
on DATA/val, as `evaluate` does; if INT8 costs more than 0.5 points of mIoU or AP, nothing is written. The weights
themselves stay as they are, bit by bit. The last line is JSON: the scores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

from tqdm import tqdm

from seg_ros.cli.command import command
from seg_ros.cli.evaluate import STREET_TEST
from seg_ros.files import check_file
from seg_ros.manifest import INT8, MOST_LOSS, Manifest, find

STREET_OBSERVED = range(0, 100)
"""Seeds of the street that networks are trained on."""


def quantize(weights_path: Path, data: Path, output: Path, classes: str = "") -> Manifest:
    """Finds the ranges, scores both precisions, and writes `output`; prints what it finds.

    Raises:
        FileNotFoundError, ValueError: if the data is not what these weights need, or INT8 costs too much.
        WeightsError: if the weights do not load.
        OSError: if `output` cannot be written.
        EngineError: if OpenVINO is not there.
    """
    import torch

    from seg_ros import quantization, weights
    from seg_ros.engines import openvino
    from seg_ros.models.graph import make_graph
    from seg_ros.training.datasets import check_same_classes
    from seg_ros.training.tasks import TASKS

    openvino.versions()
    check_file(output)
    model, manifest = weights.load_model(weights_path)
    check_same_classes(data, manifest.classes, classes)
    task = TASKS[manifest.task](manifest)
    surveys = {part: task.survey(data / part, learn=False) for part in ("train", "val")}
    print("\n".join(line for survey in surveys.values() for line in survey.lines), flush=True)
    pictures = task.training_data(data / "train", None, surveys["train"].counts).pictures
    if len(pictures) < quantization.LEAST:
        raise ValueError(
            f"{data / 'train'}: expected at least {quantization.LEAST} pictures to observe ranges on, got "
            f"{len(pictures)}; add pictures of what the camera sees"
        )
    graph = make_graph(model, manifest.mean, manifest.std, manifest.classes.things)
    size = manifest.input_size
    observing = tqdm(quantization.network_inputs(pictures, size), desc="observe", leave=False, mininterval=2.0)
    ranges = quantization.observed(graph, observing)
    judged = torch.cat(list(quantization.network_inputs(pictures, size, quantization.JUDGED)))
    harms = dict(tqdm(quantization.harms(graph, ranges, judged), desc="layers", leave=False, mininterval=2.0))
    ranges = {name: ranges[name] for name in quantization.bearable(harms)}
    for name, harm in harms.items():
        print(f"  {name:40s} {100 * harm:6.3f} % of the labels change: {'int8' if name in ranges else 'float'}")
    manifest = dataclasses.replace(manifest, ranges=ranges)
    before = task.evaluate(graph, data / "val", torch.device("cpu")).score
    with tempfile.TemporaryDirectory() as cache:
        digest = weights.digest(model.state_dict(), manifest)
        run = quantization.on_engine(quantization.with_ranges(graph, ranges), digest, Path(cache))
        after = task.evaluate(run, data / "val", torch.device("cpu")).score
    score = before | {f"{name}{INT8}": value for name, value in after.items()}
    manifest = dataclasses.replace(manifest, score=manifest.score | score)
    for name, value in before.items():
        print(f"{name}: {100 * value:.2f} in float32, {100 * after[name]:.2f} in int8")
    if manifest.int8_loss > MOST_LOSS:
        raise ValueError(
            f"{weights_path}: expected INT8 to cost at most {MOST_LOSS} points, and it costs {manifest.int8_loss:.2f}; "
            "nothing is written: add training pictures that look like those of val, or stay with float32"
        )
    weights.save(output, weights.load(weights_path)[1], manifest)
    print(f"{output}: {len(ranges)} of {len(harms)} layers in int8, {manifest.int8_loss:.2f} points lost")
    print(json.dumps(score), flush=True)
    return manifest


@command
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="quantize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--weights", required=True, help="file, or the bare name of shipped weights")
    add("--data", required=True, help="folder of a data set with train/ and val/, or 'street'")
    add("--classes", default="", help="classes file of the data, or 'camvid' (default: classes.json in --data)")
    add("--output", type=Path, help="file to write (default: the weights file itself)")
    args = parser.parse_args(arguments)
    source = find(args.weights)
    output = args.output or source
    if args.data != "street":
        quantize(source, Path(args.data), output, args.classes)
        return
    from seg_ros.training.datasets import render_street

    with tempfile.TemporaryDirectory() as folder:
        for part, seeds, frames in (("train", STREET_OBSERVED, 1), ("val", STREET_TEST, 3)):
            render_street(Path(folder) / part, seeds, frames, progress=lambda s: tqdm(s, desc="render", leave=False))
        quantize(source, Path(folder), output, "camvid")


if __name__ == "__main__":
    main()
