"""Opens an engine, the one that is named or the one that `auto` takes, and warms it up.

On a GPU `auto` takes the first engine of the table that works. On a CPU it measures (`seg_ros.engines.choosing`) each
engine that is compiled already, and of those that are ready within seconds the most promising; each in every precision
that the processor multiplies natively. Where no engine that compiles is among them, the first that works is compiled.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seg_ros.engines import DEVICES, ENGINES, ON_GPU, PRECISIONS, QUANTISED, QUICK, cache
from seg_ros.engines.choosing import Memory, choose, refuse
from seg_ros.errors import EngineError
from seg_ros.manifest import MOST_LOSS
from seg_ros.models.precision import at_precision, narrow_strides

log = logging.getLogger(__name__)

Shape = tuple[int, int, int]
"""Of an input: `(N, H, W)`."""


@dataclasses.dataclass(frozen=True)
class Engine:
    """A graph that is ready to run.

    Attributes:
        name: of the engine in use.
        precision: in use, one of `PRECISIONS`.
        device: `cuda` or `cpu`.
        run: maps `(N, H, W, 3) uint8` pixels on the device to the graph's tensors there.
        refused: why `auto` did not take others, or did not measure them, by engine or engine and precision.
        seconds: that compiling took; 0.0 if it was in the cache, or nothing is compiled.
        measured: milliseconds of one image by engine and precision, as in `"openvino fp32"`, from which `auto` chose;
            empty where it did not measure.
    """

    name: str
    precision: str
    device: str
    run: Callable[[Tensor], tuple[Tensor, ...]]
    refused: dict[str, str]
    seconds: float = 0.0
    measured: dict[str, float] = dataclasses.field(default_factory=dict)


class Candidate(NamedTuple):
    """An engine of `ENGINES` at a precision of `PRECISIONS`."""

    engine: str
    precision: str

    def __str__(self) -> str:
        return f"{self.engine} {self.precision}"


def open_engine(
    name: str,
    graph: nn.Module,
    shape: Shape,
    weights: str,
    directory: Path | None = None,
    precision: str = "auto",
    device: str = "auto",
    usual_size: tuple[int, int] | None = None,
    int8_loss: float | None = None,
    compile_all: bool = False,
) -> Engine:
    """Builds or loads an engine and warms it up.

    Args:
        name: in `ENGINES`, or `"auto"`: on a GPU the first that works, on a CPU the fastest.
        graph: the computation, float32, in eval mode; it is copied.
        shape: `(N, H, W)` of the input.
        weights: digest of the weights, for the cache's key.
        directory: of the cache; None is the default one.
        precision: in `PRECISIONS`, or `"auto"`: on a GPU float16, on a CPU the fastest that it multiplies natively.
        device: in `DEVICES`, or `"auto"`: the first of these that is there.
        usual_size: `(H, W)` of the one image that `auto` measures with, for all shapes; None is that of `shape`.
        int8_loss: points of the score that int8 costs, with which `auto` takes it if they are few; None where there is
            no int8 for these weights (`Manifest.int8_loss`).
        compile_all: whether `auto` compiles, and measures, also what takes minutes.

    Raises:
        EngineError: if the named engine, or with `auto` every engine, does not work here.
    """
    _check("engine", name, tuple(ENGINES))
    _check("precision", precision, PRECISIONS)
    _check("device", device, DEVICES)
    device = best_device() if device == "auto" else device
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device 'cuda': PyTorch sees no GPU here; use 'cpu', or install a CUDA build of PyTorch")
    if device == "cpu" and precision == "bf16" and narrow_strides(graph):
        raise EngineError(
            "precision 'bf16': the network has 1x1 convolutions with a stride and fewer than 16 channels, for which "
            "PyTorch's bfloat16 on the CPU is faulty; use 'fp32'"
        )
    source = _Source(graph, weights, device, directory or cache.default_directory())
    names = tuple(ENGINES) if name == "auto" else (name,)
    if device == "cpu" and "auto" in (name, precision) and not set(names).isdisjoint(QUICK):
        numbers = native_precisions(graph) if precision == "auto" else (precision,)
        candidates = [Candidate(name, number) for number in numbers for name in names]
        if precision == "auto" and int8_loss is not None and int8_loss <= MOST_LOSS:
            candidates += [Candidate(name, "int8") for name in names if name in QUANTISED]
        usual = (1, *(usual_size or shape[1:]))
        if len(candidates) > 1 and (engine := _fastest(source, candidates, shape, usual, compile_all)):
            return engine
    best = best_precision(device, graph) if precision == "auto" else precision
    return _first(source, [Candidate(name, best) for name in names], shape)


@dataclasses.dataclass(frozen=True)
class _Source:
    """What engines are built from, and where: a graph, the digest of its weights, the device, the cache's folder."""

    graph: nn.Module
    weights: str
    device: str
    directory: Path

    def artefact(self, candidate: Candidate, shape: Shape) -> cache.Artefact:
        """Returns the candidate's place in the cache; raises EngineError if its engine is of no use here."""
        if candidate.precision == "int8" and candidate.engine not in QUANTISED:
            raise EngineError(
                f"{candidate.engine} does not compute in int8; use another precision, or the engine "
                f"{', '.join(QUANTISED)}"
            )
        versions = _module(candidate).versions()
        if self.device == "cpu" and candidate.engine in ON_GPU:
            raise EngineError(f"{candidate.engine} runs on an NVIDIA GPU, and the device is 'cpu'; use another engine")
        key = cache.key(candidate.engine, versions, self.weights, shape, candidate.precision, self.device)
        return cache.Artefact(self.directory, key)

    @torch.no_grad()
    def open(self, candidate: Candidate, shape: Shape) -> Engine:
        """Builds or loads the candidate and warms it up; raises EngineError if that fails."""
        artefact = self.artefact(candidate, shape)
        log.debug("engine %s is tried: %s on %s, key %s", candidate, shape, self.device, artefact.name)
        graph = at_precision(self.graph, candidate.precision, portable=self.device == "cuda").to(self.device)
        example = torch.zeros(*shape, 3, dtype=torch.uint8, device=self.device)
        run = torch.inference_mode()(_module(candidate).build(graph, example, artefact))
        _warm_up(candidate.engine, run, example)
        log.debug("engine %s is ready; compiled in %.1f s (0.0 is from the cache)", candidate, artefact.seconds)
        return Engine(*candidate, self.device, run, {}, artefact.seconds)


def _module(candidate: Candidate) -> ModuleType:
    return importlib.import_module(ENGINES[candidate.engine])


def _first(source: _Source, candidates: Sequence[Candidate], shape: Shape) -> Engine:
    """Opens the first of the candidates that works; of a single one, what it raises is raised."""
    refused: dict[str, str] = {}
    for candidate in candidates:
        try:
            return dataclasses.replace(source.open(candidate, shape), refused=refused)
        except EngineError as error:
            if len(candidates) == 1:
                raise
            refuse(refused, candidate.engine, error)
    raise EngineError("no engine works here: " + "; ".join(f"{n}: {why}" for n, why in refused.items()))


def _fastest(
    source: _Source, candidates: Iterable[Candidate], shape: Shape, usual: Shape, compile_all: bool
) -> Engine | None:
    """Opens for `shape` the candidate that is the fastest at `usual`: measured, or remembered.

    Returns None if no engine that compiles is at hand and works.
    """
    artefacts, refused = {}, {}
    for candidate in candidates:
        try:
            artefacts[candidate] = source.artefact(candidate, usual)
        except EngineError as error:
            refused[candidate.engine] = str(error)
    hand = {}
    promising = min((c for c in artefacts if c.engine in QUICK), key=_promise, default=None)
    for candidate, artefact in artefacts.items():
        if compile_all or candidate == promising or candidate.engine == "eager" or artefact.found():
            hand[candidate] = artefact.name
        else:
            refused[str(candidate)] = "is not compiled yet; 'ros2 run seg_ros compile' does it, and measures all"
    compiled = {str(candidate) for candidate in hand if candidate.engine != "eager"}
    if not compiled:
        return None
    # The names of artefacts stand for all that a choice depends on: machine, versions, weights, graph and shape.
    memory = Memory(source.directory, {str(candidate): name for candidate, name in hand.items()})
    engines: dict[Candidate, Engine] = {}
    pixels = torch.randint(0, 256, (*usual, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def run(candidate: Candidate) -> Callable[[], object]:
        engines[candidate] = source.open(candidate, usual)
        return functools.partial(engines[candidate].run, pixels)

    choice = memory.recall()
    if choice is None:
        openings = {str(candidate): functools.partial(run, candidate) for candidate in hand}
        choice = choose(openings, torch.get_num_threads())
        if not compiled & set(choice.measured):
            return None
        memory.keep(choice)
    log.info("one image takes: %s", choice)
    refused |= choice.refused
    for taken in choice.ranking:
        candidate = Candidate(*taken.split())
        try:
            engine = engines[candidate] if candidate in engines and shape == usual else source.open(candidate, shape)
        except EngineError as error:
            refuse(refused, taken, error)
        else:
            return dataclasses.replace(engine, refused=refused, measured=choice.measured)
    return None


def _promise(candidate: Candidate) -> tuple[bool, int]:
    """Sorts candidates by how fast they should be, from the instructions of the processor."""
    order = ["bf16", "fp32", "fp16"]  # bfloat16 is a candidate only where there are instructions for it
    # AVX2 is enough for int8 to be the fastest; nothing is known of processors that are not x86.
    order.insert(0 if torch.backends.cpu.get_cpu_capability().startswith("AVX") else len(order), "int8")
    return candidate.engine == "eager", order.index(candidate.precision)


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


def native_precisions(graph: nn.Module) -> tuple[str, ...]:
    """Returns what `auto` measures on a CPU: those that it multiplies without taking them apart, most exact first."""
    return tuple(dict.fromkeys(["fp32", best_precision("cpu", graph)]))
