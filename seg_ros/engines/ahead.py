"""Compiles an engine for GPUs on a machine that may have none, to be carried to where it runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import nn

from seg_ros.engines import PRECISIONS, QUANTISED, cache, tensorrt
from seg_ros.engines.opening import best_precision
from seg_ros.errors import EngineError
from seg_ros.models.precision import at_precision


@dataclasses.dataclass(frozen=True)
class Carried:
    """An engine that was compiled and not run.

    Attributes:
        path: of its file. The one beside it that ends in `.json` belongs to it: a cache takes both or none.
        precision: of weights and features, one of `seg_ros.engines.PRECISIONS`.
        seconds: that compiling took; 0.0 if it was there.
    """

    path: Path
    precision: str
    seconds: float


@torch.no_grad()
def compile_ahead(
    graph: nn.Module,
    shape: tuple[int, int, int],
    weights: str,
    directory: Path | None = None,
    precision: str = "auto",
) -> Carried:
    """Compiles the engine `tensorrt` as `seg_ros.engines.opening.open_engine` does on a GPU, and does not load it.

    It is found in a cache on another machine if weights, shape, precision, and the versions of seg_ros, PyTorch and
    TensorRT for RTX are the same there.

    Args:
        graph: the computation, float32, in eval mode; it is copied.
        shape: `(N, H, W)` of the input.
        weights: digest of the weights, for the cache's key.
        directory: to write to; None is the default cache.
        precision: in `PRECISIONS` but `int8`, or `"auto"`: what GPUs are fastest in.

    Raises:
        EngineError: for another precision, or if TensorRT for RTX is not installed here or cannot compile the graph.
    """
    precision = best_precision("cuda", graph) if precision == "auto" else precision
    able = [each for each in PRECISIONS if each != "int8" or "tensorrt" in QUANTISED]
    if precision not in able:
        raise EngineError(f"precision {precision!r}: expected one of auto, {', '.join(able)} for tensorrt")
    key = cache.key("tensorrt", tensorrt.versions(), weights, shape, precision, "cuda")
    artefact = cache.Artefact(directory or cache.default_directory(), key)
    example = torch.zeros(*shape, 3, dtype=torch.uint8)
    path = tensorrt.compiled(at_precision(graph, precision, portable=True), example, artefact)
    return Carried(path, precision, artefact.seconds)
