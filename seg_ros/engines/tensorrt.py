"""Compiles the whole graph into one TensorRT engine; nothing is left to PyTorch.

Torch-TensorRT converts where it is installed, else TensorRT's own ONNX parser (`parsing`): once, for running needs
TensorRT alone (`plan`). What is kept is TensorRT's own serialised engine, not Torch-TensorRT's module around it: no
pickle is loaded, no guard runs.

With TensorRT for RTX the engine is built for every GPU that it supports, and on any machine.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.engines.onnx import to_onnx
from seg_ros.engines.parsing import build_plan
from seg_ros.engines.plan import RTX, Plan, installed, library
from seg_ros.errors import EngineError

_PIXELS = torch.float16
"""Type of the pixels that Torch-TensorRT's engine takes; it holds 0..255 exactly."""


def versions() -> dict[str, str]:
    """Returns the version of TensorRT, and of Torch-TensorRT where it converts.

    They are in the cache's key, as are the GPU's name and compute capability (`cache.machine`): what another version
    or another GPU compiled is not found, and the manifest of what is found is checked before it is opened. An engine
    of TensorRT for RTX is for all its GPUs, and names them in the place of the machine.

    Raises:
        EngineError: if nothing is installed that can build here, or it does not load.
    """
    name = installed()
    if name != RTX and not torch.cuda.is_available():
        raise EngineError(
            "tensorrt needs an NVIDIA GPU, and PyTorch sees none here; use 'inductor' or 'eager'. To compile for "
            "another machine: pip install -r requirements/tensorrt-rtx.txt, see docs/tensorrt.md"
        )
    try:
        found = {name or "tensorrt": library().__version__}
    except (ImportError, OSError) as error:
        raise EngineError(
            f"tensorrt does not load here: {error}; pip install -r requirements/tensorrt.txt, see docs/tensorrt.md"
        ) from error
    if name == RTX:
        release = torch.__version__.partition("+")[0]  # the graph's; builds for CPU and GPU export the same
        return found | {"processor": "compute capability 8.0 and above", "torch": release}
    return found | ({"torch_tensorrt": importlib.metadata.version("torch_tensorrt")} if _has_converters() else {})


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> Plan:
    """Takes the engine from the cache, or compiles it there, and loads it.

    It takes 1 to N images at a time, N being the example's, and is the fastest at N.

    Raises:
        EngineError: if the device is not a GPU, TensorRT does not take an operator, or cannot compile.
    """
    if not example.is_cuda:
        raise EngineError("tensorrt needs an NVIDIA GPU, and the device is 'cpu'; use 'cuda', or another engine")
    return Plan(compiled(graph, example, artefact), labels=graph.maps)


def compiled(graph: nn.Module, example: Tensor, artefact: Artefact) -> Path:
    """Takes the engine from the cache, or compiles it there; returns its path. TensorRT for RTX needs no GPU for it.

    Raises:
        EngineError: if TensorRT does not take an operator, or cannot compile.
    """

    def compile_to(path: Path) -> None:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                if _has_converters():
                    path.write_bytes(_convert(graph, example, artefact.directory, path))
                else:
                    model = to_onnx(graph, example, dynamic=len(example) > 1)
                    path.write_bytes(build_plan(model.SerializeToString(), len(example))[0])
            except Exception as error:  # whatever a compiler may raise: the next engine may still run
                named = [str(w.message) for w in said if "missing operations" in str(w.message)]
                why = " ".join("; ".join([_root(error), *named]).split())
                raise EngineError(f"tensorrt cannot compile this graph here: {why}") from error

    return artefact.get(compile_to, ".plan")


def _has_converters() -> bool:
    """Returns whether Torch-TensorRT converts, which builds for TensorRT alone."""
    return installed() != RTX and find_spec("torch_tensorrt") is not None


def exported(graph: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """Exports the graph as TensorRT can take it.

    The batch is dynamic if the example has more than one image. There is no uint8 in it: TensorRT takes such an input,
    but cannot ask for its shape (operator Shape), and Torch-TensorRT converts no cast to it. So the pixels come as
    float16, and what should end as uint8 ends as int32.
    """
    batch = example.shape[0]
    shapes = ({0: torch.export.Dim("batch", min=1, max=batch)},) if batch > 1 else None
    program = torch.export.export(graph, (example.to(_PIXELS),), dynamic_shapes=shapes)
    for node in program.graph.nodes:
        if node.target is torch.ops.aten.to.dtype and node.args[1] is torch.uint8:
            node.args = (node.args[0], torch.int32, *node.args[2:])
    return program


def _convert(graph: nn.Module, example: Tensor, directory: Path, path: Path) -> bytes:
    """Returns the engine by Torch-TensorRT. Its timings of kernels stay in `directory`, for the next on this GPU."""
    # Takes seconds to import, so only where something is compiled.
    from torch_tensorrt import Input
    from torch_tensorrt.dynamo import convert_exported_program_to_serialized_trt_engine

    shared, timings = directory / f"{_machine()}.timing", path.with_suffix(".timing")
    if shared.is_file():  # a copy for every build: two at a time must not write one file
        shutil.copyfile(shared, timings)
    largest = tuple(example.shape)
    smallest = (1, *largest[1:])
    pixels = Input(min_shape=smallest, opt_shape=largest, max_shape=largest, dtype=_PIXELS)
    # Unlike torch_tensorrt.compile this knows no partitions: an operator without converter is an error, and a warning
    # before it names all of them. By default types are the graph's own (strong typing), weights are constants, and the
    # workspace may take all of the GPU's memory.
    plan = convert_exported_program_to_serialized_trt_engine(
        exported(graph, example), arg_inputs=[pixels], timing_cache_path=str(timings)
    )
    if timings.is_file():
        timings.replace(shared)
    return plan


def _machine() -> str:
    """Names TensorRT and GPU for a file: timings are of use to the same TensorRT on the same GPU only."""
    name = f"tensorrt {library().__version__} {torch.cuda.get_device_name()}"
    return re.sub(r"[^\w.]+", "-", name)


def _root(error: BaseException) -> str:
    """Returns the first cause: Torch-TensorRT wraps it into the printed graph."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"
