"""Builds the networks as TensorRT engines with TensorRT for RTX, which needs no GPU; nothing is run.

    python -m benchmarks.tensorrt_builds                        # a table, and JSON
    python -m benchmarks.tensorrt_builds unet_street --write    # one network; or the table of docs/tensorrt.md

The networks are the shipped ones, and torchvision's Mask R-CNN ResNet-50 FPN, converted, with random weights: the graph
is what counts. A row each of precision and batch, where 1..4 is one engine for 1 to 4 images. Needs
requirements/tensorrt-rtx.txt and requirements/onnx.txt. The last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from torch import nn

from benchmarks.baselines import import_torchvision
from benchmarks.page import DOCS, machine, write_section
from seg_ros.cli.command import one_line_errors
from seg_ros.cli.common import markdown_table
from seg_ros.convert import convert
from seg_ros.engines.onnx import to_onnx
from seg_ros.engines.parsing import build_plan
from seg_ros.engines.plan import RTX, installed
from seg_ros.errors import EngineError
from seg_ros.models import MODELS
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision
from seg_ros.weights import load_model

TORCHVISION = "maskrcnn_resnet50_fpn"
NETWORKS = ("unet_street", "unet_camvid", "fcn_camvid", "mask_rcnn_street", TORCHVISION)
BATCHES = (1, 4)
PRECISIONS = ("fp16", "fp32")


def graph_of(name: str) -> tuple[nn.Module, tuple[int, int]]:
    """Returns the graph of a network, and the size of its input."""
    if name == TORCHVISION:
        torch.manual_seed(0)
        network = import_torchvision().models.detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
        manifest, tensors = convert(network.state_dict(), input_size=(800, 1344))
        model = MODELS[manifest.architecture].build(**manifest.arguments)
        model.load_state_dict(tensors)
    else:
        model, manifest = load_model(name)
    return make_graph(model, manifest.mean, manifest.std, manifest.classes.things), manifest.input_size


@torch.no_grad()
def build(name: str, precision: str, batch: int) -> dict:
    """Exports and builds one engine; returns its row."""
    graph, size = graph_of(name)
    start = time.monotonic()
    example = torch.zeros(batch, *size, 3, dtype=torch.uint8)
    model = to_onnx(at_precision(graph, precision, portable=True), example, dynamic=batch > 1).SerializeToString()
    exported = time.monotonic()
    plan, layers = build_plan(model, batch)
    return {
        "network": name,
        "input": "x".join(map(str, size)),
        "precision": precision,
        "batch": "1" if batch == 1 else f"1..{batch}",
        "layers": layers,
        "export_s": round(exported - start, 1),
        "build_s": round(time.monotonic() - exported, 1),
        "engine_mb": round(len(plan) / 1e6, 1),
    }


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(NETWORKS)}; default: all")
    parser.add_argument("--write", action="store_true", help="also into docs/tensorrt.md")
    args = parser.parse_args(arguments)
    if unknown := set(args.networks) - set(NETWORKS):
        raise ValueError(f"network {min(unknown)!r}: expected one of {', '.join(NETWORKS)}")
    if installed() != RTX:
        raise EngineError(f"expected {RTX}, got {installed()}: pip install -r requirements/tensorrt-rtx.txt")
    rows = []
    for name in args.networks or NETWORKS:
        for precision in PRECISIONS:
            for batch in BATCHES:
                rows.append(build(name, precision, batch))
                print(rows[-1], flush=True)
    table = markdown_table(rows, list(rows[0]))
    print(table)
    if args.write:
        about = machine("torch", "onnxscript", "tensorrt_rtx_cu13")
        write_section(DOCS, "builds", f"{about}\n\n{table}", "tensorrt.md")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
