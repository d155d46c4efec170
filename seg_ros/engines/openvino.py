"""Compiles the whole graph by OpenVINO for a CPU, in seconds and without a compiler on the machine.

What is kept is OpenVINO's own compiled model: its graph and weights, arranged for this processor. It holds no native
code, but a parser written in C++ reads it, so it is trusted only as far as the cache's checks reach.
"""

from __future__ import annotations

import copy
import sys
import warnings
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.errors import EngineError
from seg_ros.models.quantised import round_features

_TYPES = {torch.float32: ("FP32", "f32"), torch.float16: ("FP16", "f16"), torch.bfloat16: ("BF16", "bf16")}
"""OpenVINO's names of a type by that of the weights: among what the processor can, and for what it shall compute in."""


def versions() -> dict[str, str]:
    """Returns the version of OpenVINO.

    Raises:
        EngineError: if it is not installed, or does not load.
    """
    try:
        return {"openvino": _openvino().get_version()}
    except (ImportError, OSError) as error:
        raise EngineError(f"openvino is not installed: {error}; pip install -r requirements/openvino.txt") from error


def _openvino() -> ModuleType:
    """Imports OpenVINO without the package by which it reports imports and conversions to its makers: robots do not."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> CompiledModel:
    """Takes the compiled model from the cache, or compiles it there.

    Raises:
        EngineError: if the device is not a CPU, the processor does not compute in the type of the weights, or compiling
            fails.
    """
    if example.is_cuda:
        raise EngineError("openvino runs on a CPU here, and the device is 'cuda'; use another engine, or device 'cpu'")
    able, precision = _TYPES[next(graph.model.parameters()).dtype]
    if able not in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        # Without the instructions its bfloat16 gives NaN for some weights.
        raise EngineError(f"openvino does not compute in {precision} on this processor; use the precision 'fp32'")
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": precision,
        "ENABLE_CPU_PINNING": False,  # a core that OpenVINO keeps would be missing to the threads of ROS
    }

    def compile_to(path: Path) -> None:
        try:
            path.write_bytes(compiled(graph, example, options))
        except Exception as error:  # whatever a compiler may raise: the next engine may still run
            raise EngineError(f"openvino cannot compile this graph here: {type(error).__name__}: {error}") from error

    return CompiledModel(artefact.get(compile_to, ".blob"), options)


def compiled(graph: nn.Module, example: Tensor, options: dict) -> bytes:
    """Converts and compiles a graph; returns the compiled model as OpenVINO writes it."""
    openvino = _openvino()
    # OpenVINO takes weights where they lie in memory. Of those that are not contiguous it makes copies, and frees those
    # in bfloat16 before it has compiled them.
    graph = copy.deepcopy(graph).to(memory_format=torch.contiguous_format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # how OpenVINO calls PyTorch is not the user's concern
        program = torch.export.export(graph, (example,))
        round_features(program, graph.ranges)
        model = openvino.convert_model(program, input=[openvino.PartialShape(list(example.shape))])
    return openvino.Core().compile_model(model, "CPU", options).export_model().getvalue()


class CompiledModel:
    """Runs a compiled model of one input. Not thread-safe: one thread calls it. Python's lock is free meanwhile.

    Args:
        path: of the model; only one from a checked cache.
        options: that it was compiled with.

    Raises:
        EngineError: if it does not load.
    """

    def __init__(self, path: Path, options: dict) -> None:
        openvino = _openvino()
        self._tensor = openvino.Tensor
        try:
            model = openvino.Core().import_model(path.read_bytes(), "CPU", options)
            self._request = model.create_infer_request()
        except RuntimeError as error:
            raise EngineError(f"{path} does not load: {error}; delete it, and it is built anew") from error
        self._shape = tuple(model.inputs[0].shape)

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Maps `(N, H, W, 3) uint8` pixels to the graph's tensors, in memory of their own.

        Raises:
            ValueError: if the pixels are not those of the shape that it was compiled for.
        """
        if pixels.shape != self._shape or pixels.dtype != torch.uint8:
            raise ValueError(f"expected {self._shape} uint8 pixels, got {tuple(pixels.shape)} {pixels.dtype}")
        self._request.set_input_tensor(self._tensor(pixels.contiguous().numpy(), shared_memory=True))
        self._request.infer()
        # The next call writes over the request's own memory.
        return tuple(torch.from_numpy(output.data.copy()) for output in self._request.output_tensors)
