"""Exports weights as an ONNX file for other runtimes; its metadata says what the numbers mean."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import torch

import seg_ros
from seg_ros import weights
from seg_ros.classes import UNLABELLED
from seg_ros.engines.onnx import to_onnx
from seg_ros.errors import ExportError
from seg_ros.manifest import Manifest, find
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
) -> None:
    """Writes an ONNX file, whole or not at all.

    Args:
        source: weights file, or the bare name of shipped ones.
        path: of the file to write.
        precision: one of `PRECISIONS`; pixels and outputs have the same types in both.
        size: `(H, W)` in pixels of the input; None is what the weights were trained for.
        batch: number of images of an input.
        dynamic: whether the file takes 1 to `batch` images, or `batch` only.

    Raises:
        WeightsError: see `seg_ros.weights.load_model`.
        EngineError: see `seg_ros.engines.onnx.to_onnx`.
        ExportError: if the file cannot be written.
    """
    model, manifest = weights.load_model(source)
    graph = make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))
    example = torch.zeros(batch, *(size or manifest.input_size), 3, dtype=torch.uint8)
    with _whole(path) as file:
        proto = to_onnx(at_precision(graph, precision, portable=True), example, dynamic)
        proto.producer_name, proto.producer_version = "seg_ros", seg_ros.__version__
        for key, value in metadata(source, manifest, precision, batch).items():
            entry = proto.metadata_props.add()
            entry.key, entry.value = key, value
        file.write(proto.SerializeToString())


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


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file beside `path`, which takes its place at the end; whatever fails meanwhile leaves nothing behind."""
    if path.is_dir():
        raise ExportError(f"{path} is a folder, expected a file to write: give its name as well, {path / 'W.onnx'}")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise ExportError(
            f"{path} cannot be written: {error.strerror}; give a path in a folder that exists, is yours to write and "
            f"has space"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it was never there, or has taken its place
            partial.unlink()
