"""Opens an engine, the one that is named or the first that works, and warms it up."""

from __future__ import annotations

import dataclasses
import importlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from seg_ros.engines import DEVICES, ENGINES, PRECISIONS, cache
from seg_ros.errors import EngineError
from seg_ros.models.precision import at_precision, narrow_strides

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Engine:
    """A graph that is ready to run.

    Attributes:
        name: of the engine in use.
        precision: in use, one of `PRECISIONS`.
        device: `cuda` or `cpu`.
        run: maps `(N, H, W, 3) uint8` pixels on the device to the graph's tensors there.
        refused: why engines before this one did not work, by name (only `auto` falls through).
        seconds: that compiling took; 0.0 if it was in the cache, or nothing is compiled.
    """

    name: str
    precision: str
    device: str
    run: Callable[[Tensor], tuple[Tensor, ...]]
    refused: dict[str, str]
    seconds: float = 0.0


@torch.no_grad()
def open_engine(
    name: str,
    graph: nn.Module,
    shape: tuple[int, int, int],
    weights: str,
    directory: Path | None = None,
    precision: str = "auto",
    device: str = "auto",
) -> Engine:
    """Builds or loads an engine and warms it up.

    Args:
        name: in `ENGINES`, or `"auto"`: the first that works.
        graph: the computation, float32, in eval mode; it is copied.
        shape: `(N, H, W)` of the input.
        weights: digest of the weights, for the cache's key.
        directory: of the cache; None is the default one.
        precision: in `PRECISIONS`, or `"auto"`: the fastest that the device is made for.
        device: in `DEVICES`, or `"auto"`: the first of these that is there.

    Raises:
        EngineError: if the named engine, or with `auto` every engine, does not work here.
    """
    _check("engine", name, tuple(ENGINES))
    _check("precision", precision, PRECISIONS)
    _check("device", device, DEVICES)
    device = best_device() if device == "auto" else device
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device 'cuda': PyTorch sees no GPU here; use 'cpu', or install a CUDA build of PyTorch")
    precision = best_precision(device, graph) if precision == "auto" else precision
    if device == "cpu" and precision == "bf16" and narrow_strides(graph):
        raise EngineError(
            "precision 'bf16': the network has 1x1 convolutions with a stride and fewer than 16 channels, for which "
            "PyTorch's bfloat16 on the CPU is faulty; use 'fp32'"
        )
    graph = at_precision(graph, precision, portable=device == "cuda").to(device)
    example = torch.zeros(*shape, 3, dtype=torch.uint8, device=device)
    refused: dict[str, str] = {}
    for candidate in ENGINES if name == "auto" else [name]:
        try:
            module = importlib.import_module(ENGINES[candidate])
            key = cache.key(candidate, module.versions(), weights, shape, precision, device)
            artefact = cache.Artefact(directory or cache.default_directory(), key)
            log.debug("engine %s is tried: %s, %s on %s, key %s", candidate, shape, precision, device, artefact.name)
            run = torch.inference_mode()(module.build(graph, example, artefact))
            _warm_up(candidate, run, example)
            log.debug("engine %s is taken; compiled in %.1f s (0.0 is from the cache)", candidate, artefact.seconds)
            return Engine(candidate, precision, device, run, refused, artefact.seconds)
        except EngineError as error:
            if name != "auto" or error.fatal:
                raise
            refused[candidate] = str(error)
            log.info("engine %s is not used: %s", candidate, error)
    raise EngineError("no engine works here: " + "; ".join(f"{n}: {why}" for n, why in refused.items()))


def _warm_up(name: str, run: Callable, example: Tensor) -> None:
    """Makes the first calls, which allocate and choose kernels."""
    start = time.monotonic()
    try:
        for _ in range(3):
            run(example)
        if example.is_cuda:
            torch.cuda.synchronize()
    except RuntimeError as error:
        raise engine_error(f"{name} on its first frame", error) from error
    log.info("engine %s: warmed up in %.2f s", name, time.monotonic() - start)


def engine_error(what: str, error: RuntimeError) -> EngineError:
    """Returns what PyTorch raises when a graph runs as an EngineError; `what` failed."""
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error):  # the latter: pinned memory
        return EngineError(f"out of memory, {what}: {error}", reason="memory")
    fatal = "CUDA error" in str(error)  # sticky: the CUDA context is lost, for every engine of this process
    return EngineError(f"{what} failed: {error}", fatal=fatal)


def _check(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value != "auto" and value not in allowed:
        raise EngineError(f"{what} {value!r}: expected one of {', '.join(['auto', *allowed])}")


def best_device() -> str:
    """Returns `cuda` where PyTorch sees a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def best_precision(device: str, graph: nn.Module) -> str:
    """Returns what the device multiplies fastest: half the bytes, and mostly more than twice the operations."""
    if device == "cuda":
        return "fp16"
    # oneDNN takes bfloat16 apart where the processor has no instructions for it.
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native and not narrow_strides(graph) else "fp32"
