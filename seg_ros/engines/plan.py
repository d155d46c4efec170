"""Runs TensorRT's serialised engines, its plans; nothing of what converted and built them is needed.

TensorRT is the library of that name, or TensorRT for RTX, which has the same interface: it builds on any machine, and
compiles the kernels where the plan is loaded.
"""

from __future__ import annotations

import functools
import importlib
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from seg_ros.errors import EngineError

RTX = "tensorrt_rtx"
"""Name of TensorRT for RTX."""
_TYPES = {"FLOAT": torch.float32, "HALF": torch.float16, "INT32": torch.int32, "UINT8": torch.uint8}
"""Types of inputs and outputs by TensorRT's names."""


def installed() -> str | None:
    """Returns the name of the library that is taken, or None where there is none.

    Where there are both it is TensorRT, which builds for the GPU that it finds; without a GPU the other.
    """
    names = ("tensorrt", RTX) if torch.cuda.is_available() else (RTX, "tensorrt")
    return next((name for name in names if find_spec(name)), None)


def library() -> ModuleType:
    """Imports the library that `installed` names.

    Raises:
        ImportError: if there is none; it or OSError if it does not load.
    """
    return importlib.import_module(installed() or "tensorrt")


@functools.cache
def logger(trt: ModuleType) -> object:
    """Returns the one logger that TensorRT wants for a process, of errors and warnings to stderr; it outlives plans."""
    return trt.Logger(trt.Logger.WARNING)


class Plan:
    """Runs a serialised engine of one input tensor. Not thread-safe: one thread calls it.

    The kernels go to the caller's stream into memory that the caller's allocator gives. The first call with a batch
    size prepares for it; a CUDA graph may capture the calls after it.

    Args:
        path: of the engine; it holds native code, so only one from a checked cache. Its outputs sort by name into the
            graph's order.
        labels: whether its outputs are labels and confidence, 0..255, which are returned as uint8.

    Raises:
        EngineError: if the engine does not load.
    """

    def __init__(self, path: Path, labels: bool) -> None:
        trt = library()
        self._labels = labels
        self._runtime = trt.Runtime(logger(trt))
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        # TensorRT returns None for a failure, and writes the reason to stderr.
        if self._engine is None:
            raise EngineError(
                f"{path} does not load: {trt.__name__} refuses it, and says why on stderr; delete it to have it "
                f"compiled again"
            )
        self._context = self._engine.create_execution_context(*_strategy(trt, self._engine))
        if self._context is None:
            raise EngineError(
                f"{path} does not load: {trt.__name__} has no memory for it, or cannot compile its kernels, and says "
                f"which on stderr; use a smaller batch or input, or another engine"
            )
        names = sorted(self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors))
        types = {name: _TYPES[self._engine.get_tensor_dtype(name).name] for name in names}
        (self._input,) = (name for name in names if self._engine.get_tensor_mode(name).name == "INPUT")
        self._pixels = types.pop(self._input)
        self._types = types
        self._shape: tuple[int, ...] = ()
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __call__(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Returns the graph's tensors for `pixels`, in memory of their own.

        Raises:
            EngineError: if the engine is not made for this shape, or fails; TensorRT's own message is on stderr.
        """
        if tuple(pixels.shape) != self._shape:
            self._prepare(tuple(pixels.shape))
        pixels = pixels.to(self._pixels).contiguous()
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


def _strategy(trt: ModuleType, engine: object) -> tuple[object, ...]:
    """Returns what the execution context is created with.

    TensorRT for RTX would compile the kernels for a batch size in the background, and run others meanwhile: a CUDA
    graph that captures those keeps them. So it compiles before the first call returns.
    """
    if trt.__name__ != RTX:
        return ()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
    return (config,)
