"""Measures the latency of networks on engines, as rows of `benchmark`."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import importlib.util
import itertools
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from seg_ros import runtime
from seg_ros.cli.common import Subject, peak_megabytes
from seg_ros.cli.plain import Plain
from seg_ros.cuda_step import Step
from seg_ros.engines import ENGINES, QUANTISED
from seg_ros.engines.opening import best_device, best_precision, open_engine
from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError
from seg_ros.geometry import Resize
from seg_ros.models.graph import InstanceGraph, SemanticGraph

COLUMNS = ("model", "engine", "device", "precision", "batch", "height", "width", "p50_ms", "p99_ms", "fps", "peak_mb",
           "gflop", "roof_share", "vs_eager", "vs_torchvision")  # fmt: skip
PLAIN, TORCHVISION = "pytorch", "torchvision"
_ROUNDS = 5


def source_tree(module: str) -> ModuleType | None:
    """Imports a module of `benchmarks`, which a source tree has; None in an installation, which has not."""
    try:
        return importlib.import_module(f"benchmarks.{module}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "benchmarks":
            raise
        return None


@dataclasses.dataclass(frozen=True)
class Case:
    """A row to measure: a network on an engine (`PLAIN` and `TORCHVISION` among them)."""

    subject: Subject
    engine: str
    device: str
    precision: str
    shape: tuple[int, int, int]

    def open(self) -> Callable[[], object]:
        """Makes what is timed: one step from pixels in the host's memory to outputs there.

        Raises:
            EngineError: if there is no such thing here.
        """
        pixels = np.random.default_rng(0).integers(0, 256, (*self.shape, 3), np.uint8)
        graph = self.subject.graph
        if self.engine in (PLAIN, TORCHVISION):
            plain = Plain(graph) if self.engine == PLAIN else _torchvision(graph, self.shape[1:])
            if self.device == "cuda":
                plain = copy.deepcopy(plain).to(self.device)
            return torch.inference_mode()(lambda: _to_host(plain(torch.from_numpy(pixels).to(self.device))))
        engine = open_engine(self.engine, graph, self.shape, self.subject.digest, None, self.precision, self.device)
        if self.device == "cpu":
            return lambda: engine.run(torch.from_numpy(pixels))
        step = Step(engine.run, Resize.none(self.shape[1:]), False, graph.maps, self.shape[0])

        def run() -> object:
            np.copyto(step.staging, pixels)
            return step.run()

        return run


def table(
    subjects: Sequence[Subject],
    engines: Sequence[str] = tuple(ENGINES),
    precisions: Sequence[str] | None = None,
    batches: Sequence[int] = (1,),
    size: tuple[int, int] | None = None,
    device: str = "auto",
    seconds: float = 3.0,
) -> tuple[list[dict], Any]:
    """Times everything asked for.

    Args:
        precisions: None is float32, what the device is made for, and on a CPU int8 of the networks that have it.
        size: `(H, W)` of the network input; None is each network's own.
        seconds: of measuring each row.

    Returns:
        A row with `COLUMNS` for each case that works here, and the machine's `benchmarks.roofs.Roofs`, None where
        there is no source tree.
    """
    device = best_device() if device == "auto" else device
    numbers = {subject: precisions or _precisions(device, subject) for subject in subjects}
    measuring = source_tree("roofs")
    every = dict.fromkeys(itertools.chain(["fp32"], *numbers.values()))
    roofs = measuring and measuring.measure_roofs(device, list(every))
    print(f"this machine: {roofs or 'no roof_share and no vs_torchvision, which need a source tree'}", flush=True)
    found = []
    for subject in subjects:
        for batch in batches:
            shape = (batch, *(size or subject.size))
            cases = [Case(subject, name, device, "fp32", shape) for name in (PLAIN, TORCHVISION)]
            cases += [Case(subject, name, device, p, shape) for p in numbers[subject] for name in engines]
            found += rows(_opened(cases), roofs, seconds)
    return found, roofs


def _precisions(device: str, subject: Subject) -> list[str]:
    able = device == "cpu" and any(importlib.util.find_spec(engine) for engine in QUANTISED)
    quantised = ["int8"] if able and subject.int8_loss is not None else []
    return list(dict.fromkeys(["fp32", best_precision(device, subject.graph), *quantised]))


def rows(runs: dict[Case, Callable], roofs: Any, seconds: float, memory: bool = True) -> list[dict]:
    """Times the cases of one network and shape, the plain one first; a row each.

    Without `memory` peak_mb is None: each takes a process of its own.
    """
    times = measure(runs, seconds)
    p50 = {case: float(np.percentile(values, 50)) for case, values in times.items()}
    baseline = {case.engine: p50[case] for case in runs if case.engine in (PLAIN, TORCHVISION)}
    work = gflop(next(iter(runs)).subject.graph, next(iter(runs)).shape)
    found = []
    for case in runs:
        batch, height, width = case.shape
        found.append({
            "model": case.subject.name, "engine": case.engine, "device": case.device, "precision": case.precision,
            "batch": batch, "height": height, "width": width,
            "p50_ms": round(p50[case], 2), "p99_ms": round(float(np.percentile(times[case], 99)), 2),
            "fps": round(1e3 * batch / p50[case], 1), "peak_mb": round(case_megabytes(case)) if memory else None,
            "gflop": round(work, 2), "roof_share": roofs and _roof_share(roofs, case, work, p50[case]),
            "vs_eager": round(baseline[PLAIN] / p50[case], 2),
            "vs_torchvision": round(baseline[TORCHVISION] / p50[case], 2) if TORCHVISION in baseline else None,
        })  # fmt: skip
    return found


def measure(runs: dict[Any, Callable], seconds: float) -> dict[Any, np.ndarray]:
    """Times the calls of each run, in ms. Runs take turns, for `seconds` each in all and ten calls at least."""
    times = {case: [] for case in runs}
    for run in runs.values():
        run()
    for _ in range(_ROUNDS):
        for case, run in runs.items():
            end, calls = time.perf_counter() + seconds / _ROUNDS, 0
            while calls < 2 or time.perf_counter() < end:
                start = time.perf_counter()
                run()
                times[case].append(1e3 * (time.perf_counter() - start))
                calls += 1
    return {case: np.array(values) for case, values in times.items()}


@torch.inference_mode()
def gflop(graph: SemanticGraph | InstanceGraph, shape: tuple[int, int, int]) -> float:
    """Counts the GFLOP of convolutions and matrix products for pixels of `(N, H, W)`."""
    with FlopCounterMode(display=False) as counter:
        graph(torch.zeros(*shape, 3, dtype=torch.uint8))
    return counter.get_total_flops() / 1e9


def case_megabytes(case: Case) -> float:
    """Measures the largest size of a process that opens `case`, compiled before, and runs it."""
    context = get_context("spawn")  # a fork would start with the size of this one
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_report_peak, args=(case, torch.get_num_threads(), theirs))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        raise EngineError(f"the process that measures the memory of {case.engine} died") from None
    finally:
        process.join()


def _report_peak(case: Case, threads: int, pipe: Any) -> None:
    runtime.keep_freed_memory()
    set_threads(threads)
    run = case.open()
    for _ in range(5):
        run()
    if case.device == "cuda":
        pipe.send(torch.cuda.max_memory_allocated() / 1e6)
    else:
        pipe.send(peak_megabytes())


def _opened(cases: Sequence[Case]) -> dict[Case, Callable]:
    """Opens those that work here, and prints why the others do not."""
    runs = {}
    for case in cases:
        try:
            runs[case] = case.open()
        except EngineError as error:
            print(f"{case.subject.name}: no row for {case.engine} {case.precision}: {error}", flush=True)
    return runs


def _roof_share(roofs: Any, case: Case, work: float, milliseconds: float) -> float:
    traffic = source_tree("roofs").traffic(case.subject.graph, case.shape, case.precision)
    return float(f"{roofs.milliseconds(case.precision, work, traffic) / milliseconds:.3g}")


def _torchvision(graph: SemanticGraph | InstanceGraph, size: tuple[int, int]) -> Plain:
    baselines = source_tree("baselines")
    twin = baselines and baselines.torchvision_twin(graph, size)
    if twin is None:
        raise EngineError("torchvision has no such network, or is not usable here")
    return twin


def _to_host(outputs: object) -> object:
    if isinstance(outputs, torch.Tensor):
        return outputs.cpu()
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [_to_host(value) for value in values]
