"""Compiles the whole graph by Torch-TensorRT into one TensorRT engine; nothing is left to PyTorch.

Torch-TensorRT converts, once; running needs TensorRT alone. What is kept is TensorRT's own serialised engine, not
Torch-TensorRT's module around it: no pickle is loaded, no guard runs, and the kernels go to the caller's stream into
memory that the caller's allocator gives, so that a CUDA graph can capture a call.
"""

from __future__ import annotations

import functools
import importlib.metadata
import re
import shutil
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.errors import EngineError

_PIXELS = torch.float16
"""Type of the pixels that the engine takes; it holds 0..255 exactly."""


def versions() -> dict[str, str]:
    """Returns the versions of Torch-TensorRT and TensorRT.

    They are in the cache's key, as are the GPU's name and compute capability (`cache.machine`): what another version
    or another GPU compiled is not found, and the manifest of what is found is checked before it is opened.

    Raises:
        EngineError: if there is no GPU, or a package is missing or does not load.
    """
    if not torch.cuda.is_available():
        raise EngineError("tensorrt needs an NVIDIA GPU, and PyTorch sees none here; use 'inductor' or 'eager'")
    try:
        import tensorrt

        return {"torch_tensorrt": importlib.metadata.version("torch_tensorrt"), "tensorrt": tensorrt.__version__}
    except (ImportError, OSError) as error:
        raise EngineError(
            f"tensorrt needs torch_tensorrt and tensorrt: {error}; "
            f"pip install -r requirements/tensorrt.txt, see docs/tensorrt.md"
        ) from error


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> Plan:
    """Takes the engine from the cache, or compiles it there.

    It takes 1 to N images at a time, N being the example's, and is the fastest at N.

    Raises:
        EngineError: if the device is not a GPU, an operator has no converter, or TensorRT cannot compile.
    """
    if not example.is_cuda:
        raise EngineError("tensorrt runs on a GPU, and the device is 'cpu'; use the device 'cuda', or another engine")

    def compile_to(path: Path) -> None:
        path.write_bytes(_compile(graph, example, artefact.directory / f"{_machine()}.timing", path))

    return Plan(artefact.get(compile_to, ".plan"), labels=graph.maps)


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


def _compile(graph: nn.Module, example: Tensor, shared: Path, path: Path) -> bytes:
    """Returns the serialised engine. Its timings of kernels go to `shared`, for the next engine on this GPU."""
    timings = path.with_suffix(".timing")  # a copy for every build: two at a time must not write one file
    if shared.is_file():
        shutil.copyfile(shared, timings)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            plan = _convert(exported(graph, example), tuple(example.shape), timings)
        except Exception as error:  # whatever a compiler may raise: the next engine may still run
            named = [str(w.message) for w in said if "missing operations" in str(w.message)]
            why = " ".join("; ".join([_root(error), *named]).split())
            raise EngineError(f"tensorrt cannot compile this graph here: {why}") from error
    if timings.is_file():
        timings.replace(shared)
    return plan


def _convert(program: torch.export.ExportedProgram, largest: tuple[int, ...], timings: Path) -> bytes:
    # Takes seconds to import, so only where something is compiled.
    from torch_tensorrt import Input
    from torch_tensorrt.dynamo import convert_exported_program_to_serialized_trt_engine

    smallest = (1, *largest[1:])
    pixels = Input(min_shape=smallest, opt_shape=largest, max_shape=largest, dtype=_PIXELS)
    # Unlike torch_tensorrt.compile this knows no partitions: an operator without converter is an error, and a warning
    # before it names all of them. By default types are the graph's own (strong typing), weights are constants, and the
    # workspace may take all of the GPU's memory.
    return convert_exported_program_to_serialized_trt_engine(
        program, arg_inputs=[pixels], timing_cache_path=str(timings)
    )


def _machine() -> str:
    """Names TensorRT and GPU for a file: timings are of use to the same TensorRT on the same GPU only."""
    name = f"tensorrt {versions()['tensorrt']} {torch.cuda.get_device_name()}"
    return re.sub(r"[^\w.]+", "-", name)


def _root(error: BaseException) -> str:
    """Returns the first cause: Torch-TensorRT wraps it into the printed graph."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


class Plan:
    """Runs a serialised engine of one input tensor. Not thread-safe: one thread calls it.

    The first call with a batch size prepares for it; a CUDA graph may capture the calls after it.

    Args:
        path: of the engine; it holds native code, so only one from a checked cache.
        labels: whether its outputs are labels and confidence, 0..255 in int32, which are returned as uint8.

    Raises:
        EngineError: if the engine does not load.
    """

    def __init__(self, path: Path, labels: bool) -> None:
        import tensorrt

        self._labels = labels
        self._runtime = tensorrt.Runtime(_logger())
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        # TensorRT returns None for a failure, and writes the reason to stderr.
        if self._engine is None:
            raise EngineError(f"{path} does not load: TensorRT refuses it; delete it to have it compiled again")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"{path} does not load: TensorRT has no memory for it; use a smaller batch or input")
        names = sorted(self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors))
        modes = [self._engine.get_tensor_mode(name).name for name in names]
        (self._input,) = (name for name, mode in zip(names, modes, strict=True) if mode == "INPUT")
        types = {"FLOAT": torch.float32, "INT32": torch.int32}
        # Torch-TensorRT names them output0, output1, ... in the graph's order.
        self._types = {n: types[self._engine.get_tensor_dtype(n).name] for n in names if n != self._input}
        self._shape: tuple[int, ...] = ()
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Returns the graph's tensors for `pixels`, in memory of their own.

        Raises:
            EngineError: if the engine is not made for this shape, or fails; TensorRT's own message is on stderr.
        """
        if tuple(pixels.shape) != self._shape:
            self._prepare(tuple(pixels.shape))
        pixels = pixels.to(_PIXELS, memory_format=torch.contiguous_format)
        outputs = {
            name: torch.empty(self._shapes[name], dtype=dtype, device=pixels.device)
            for name, dtype in self._types.items()
        }
        for name, tensor in {self._input: pixels, **outputs}.items():
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise EngineError("the TensorRT engine does not run; its own words are on stderr")
        return tuple(t.to(torch.uint8) if self._labels else t for t in outputs.values())

    def _prepare(self, shape: tuple[int, ...]) -> None:
        if not self._context.set_input_shape(self._input, shape):
            low, _, high = (tuple(s) for s in self._engine.get_tensor_profile_shape(self._input, 0))
            raise EngineError(f"the TensorRT engine takes pixels of {low} to {high}, got {shape}")
        self._shapes = {name: tuple(self._context.get_tensor_shape(name)) for name in self._types}
        self._shape = shape


@functools.cache
def _logger() -> object:
    """Returns the one logger that TensorRT wants for a process; it outlives the engines."""
    import tensorrt

    return tensorrt.Logger(tensorrt.Logger.WARNING)
