"""Exports weights as an ONNX file for other runtimes; its metadata says what the numbers mean."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

import seg_ros
from seg_ros import weights
from seg_ros.classes import UNLABELLED
from seg_ros.engines.onnx import OUTPUTS, to_onnx
from seg_ros.files import aside, check_file
from seg_ros.manifest import Manifest, find
from seg_ros.models import SEMANTIC
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision

PRECISIONS = ("fp32", "fp16")
"""Number types of weights and features that the runtimes of ONNX have in common."""


def export(
    source: str | Path,
    path: Path,
    precision: str = "fp32",
    size: tuple[int, int] | None = None,
    batch: int = 1,
    dynamic: bool = False,
    isaac_ros: bool = False,
) -> None:
    """Writes an ONNX file, whole or not at all.

    Args:
        source: weights file, or the bare name of shipped ones.
        path: of the file to write.
        precision: one of `PRECISIONS`; pixels and outputs have the same types in both.
        size: `(H, W)` in pixels of the input; None is what the weights were trained for.
        batch: number of images of an input.
        dynamic: whether the file takes 1 to `batch` images, or `batch` only.
        isaac_ros: whether pixels and labels have the types of Isaac ROS's nodes, see `ForIsaacRos`.

    Raises:
        ValueError: if the network finds instances, and the file shall be for Isaac ROS.
        WeightsError: see `seg_ros.weights.load_model`.
        EngineError: see `seg_ros.engines.onnx.to_onnx`.
        OSError: if the file cannot be written.
    """
    check_file(path)
    model, manifest = weights.load_model(source)
    graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
    example = torch.zeros(batch, *(size or manifest.input_size), 3, dtype=torch.uint8)
    graph, outputs = at_precision(graph, precision, portable=True), OUTPUTS[graph.task]
    if isaac_ros:
        graph, outputs, example = ForIsaacRos(graph), OUTPUTS[SEMANTIC][:1], example.float()
    proto = to_onnx(graph, example, dynamic, outputs)
    proto.producer_name, proto.producer_version = "seg_ros", seg_ros.__version__
    for key, value in metadata(source, manifest, precision, batch).items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    with aside(path) as partial:
        partial.write_bytes(proto.SerializeToString())


def metadata(source: str | Path, manifest: Manifest, precision: str, batch: int) -> dict[str, str]:
    """Returns what the file says of itself, by name; what is no plain text is JSON.

    Of the manifest: `architecture`, `dataset`, `licence`, `input_size` (H, W) and `score` are those of the training;
    `mean` and `std` are in the graph already. `classes`, `colors` (RGB) and `things` (ids) are the class map,
    `unlabelled` the label of a pixel without class. `sha256` is that of the weights file, `batch` the most images.
    """
    digest = hashlib.sha256(find(source).read_bytes()).hexdigest()
    classes = manifest.classes.to_dict()
    values = dataclasses.asdict(manifest) | {
        "task": manifest.task, "precision": precision, "batch": batch, "sha256": digest, "unlabelled": UNLABELLED,
        "classes": classes["names"], "colors": classes["colors"], "things": classes["things"],
    }  # fmt: skip
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


class ForIsaacRos(nn.Module):
    """Computes labels from what Isaac ROS's image-to-tensor node gives, as its U-Net decoder takes them.

    Args:
        graph: a `SemanticGraph`.

    Raises:
        ValueError: if it is another.
    """

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        if graph.task != SEMANTIC:
            raise ValueError("Isaac ROS's decoder takes labels, and this network finds instances; export it as it is")
        self.semantic = graph
        self.semantic.dtype = torch.int32

    def forward(self, pixels: Tensor) -> Tensor:
        """Maps `(N, H, W, 3)` float32 RGB, 0..255, to labels `(N, H, W, 1)` int32."""
        return self.semantic(pixels)[0].unsqueeze(-1)
