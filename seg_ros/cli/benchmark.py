"""Latency of networks on engines, beside plain PyTorch and torchvision in the same process.

    python -m seg_ros.cli.benchmark --weights unet_street unet_camvid fcn_camvid
    python -m seg_ros.cli.benchmark --model unet --arguments classes=11 width=32 --size 544 960 --precision fp32 bf16
    python -m seg_ros.cli.benchmark --ros    # the way of an image through ROS instead: see benchmarks.round_trip

Times the whole graph, pixels to labels or objects; on a GPU with upload and download. The runs take turns, so that what
else the machine does hits all of them. Table on stdout; the last line is JSON, a list of rows. roof_share is the least
time that the machine's measured peaks allow (the larger of multiplications and memory traffic), as a share of p50;
peak_mb the largest size of a process that loads and runs it, on a GPU the memory allocated there. Of empty columns
there is no figure: torchvision has no such network, or is not usable here.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context

import cv2
import numpy as np
import torch

from benchmarks.baselines import Plain, torchvision_twin
from benchmarks.chart import bar_chart
from seg_ros.cli.common import Subject, add_subjects, one_line_errors, peak_megabytes, print_table, subjects
from benchmarks.roofs import Roofs, measure_roofs, work
from seg_ros.engines import ENGINES, PRECISIONS
from seg_ros.engines.opening import best_device, best_precision, open_engine
from seg_ros.engines.cuda import Step
from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError
from seg_ros.geometry import Fit

COLUMNS = ("model", "engine", "device", "precision", "batch", "height", "width", "p50_ms", "p99_ms", "fps", "peak_mb",
           "gflop", "roof_share", "vs_eager", "vs_torchvision")  # fmt: skip
PLAIN, TORCHVISION = "pytorch", "torchvision"
_ROUNDS = 5


@dataclasses.dataclass(frozen=True)
class Case:
    """One row to be: a network on an engine (`PLAIN` and `TORCHVISION` among them)."""

    subject: Subject
    engine: str
    device: str
    precision: str
    shape: tuple[int, int, int]

    def open(self) -> Callable[[], object]:
        """What is timed: one step from pixels in the host's memory to outputs there.

        Raises:
            EngineError: if there is no such thing here.
        """
        pixels = np.random.default_rng(0).integers(0, 256, (*self.shape, 3), np.uint8)
        if self.engine in (PLAIN, TORCHVISION):
            graph = self.subject.graph
            plain = Plain(graph) if self.engine == PLAIN else torchvision_twin(graph, self.shape[1:])
            if plain is None:
                raise EngineError("torchvision has no such network, or is not usable here")
            if self.device == "cuda":
                plain = copy.deepcopy(plain).to(self.device)
            return torch.inference_mode()(lambda: _to_host(plain(torch.from_numpy(pixels).to(self.device))))
        engine = open_engine(
            self.engine, self.subject.graph, self.shape, self.subject.digest, None, self.precision, self.device
        )
        if self.device == "cpu":
            return lambda: engine.run(torch.from_numpy(pixels))
        fit = Fit.of(self.shape[1:], self.shape[1:], "native")
        step = Step(engine.run, fit, False, self.subject.graph.task, self.shape[0])

        def run() -> object:
            np.copyto(step.staging, pixels)
            return step.run()

        return run


def measure(runs: dict[Case, Callable], seconds: float) -> dict[Case, np.ndarray]:
    """Milliseconds of each call of each run, which take turns, for `seconds` each in all and ten calls at least."""
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


def case_megabytes(case: Case) -> float:
    """The largest size of a process that opens `case`, compiled before, and runs it."""
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


def _report_peak(case: Case, threads: int, pipe: object) -> None:
    set_threads(threads)
    run = case.open()
    for _ in range(5):
        run()
    if case.device == "cuda":
        pipe.send(torch.cuda.max_memory_allocated() / 1e6)
    else:
        pipe.send(peak_megabytes())


def rows(cases: list[Case], roofs: Roofs, seconds: float) -> list[dict]:
    """One row for each case that works here; all of one network and shape, the plain one first."""
    runs = {}
    for case in cases:
        try:
            runs[case] = case.open()
        except EngineError as error:
            print(f"{case.subject.name}: no row for {case.engine} {case.precision}: {error}", flush=True)
    times = measure(runs, seconds)
    p50 = {case: float(np.percentile(values, 50)) for case, values in times.items()}
    of = {case.engine: p50[case] for case in runs if case.engine in (PLAIN, TORCHVISION)}
    done = {case.precision: work(case.subject.graph, case.shape, case.precision) for case in runs}
    table = []
    for case in runs:
        gflop, megabytes = done[case.precision]
        batch, height, width = case.shape
        table.append({
            "model": case.subject.name, "engine": case.engine, "device": case.device, "precision": case.precision,
            "batch": batch, "height": height, "width": width,
            "p50_ms": round(p50[case], 2), "p99_ms": round(float(np.percentile(times[case], 99)), 2),
            "fps": round(1e3 * batch / p50[case], 1), "peak_mb": round(case_megabytes(case)),
            "gflop": round(gflop, 2),
            "roof_share": round(roofs.milliseconds(case.precision, gflop, megabytes) / p50[case], 3),
            "vs_eager": round(of[PLAIN] / p50[case], 2),
            "vs_torchvision": round(of[TORCHVISION] / p50[case], 2) if TORCHVISION in of else None,
        })  # fmt: skip
    return table


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["--ros"]:
        from seg_ros.cli import round_trip  # it needs rclpy, the rest of this file does not

        round_trip.main(arguments[1:])
        return
    parser = argparse.ArgumentParser(
        prog="benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_subjects(parser)
    add = parser.add_argument
    add("--engine", nargs="+", choices=tuple(ENGINES), default=list(ENGINES), help="default: all that work here")
    add("--precision", nargs="+", choices=PRECISIONS, help="default: those that the device is made for")
    add("--batch", nargs="+", type=int, default=[1], help="pictures at a time")
    add("--seconds", type=float, default=3.0, help="of measuring each row")
    add("--chart", metavar="PNG", help="also draw bars")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    device = best_device() if args.device == "auto" else args.device
    chosen = subjects(args)
    best = [best_precision(device, subject.graph) for subject in chosen]
    precisions = args.precision or list(dict.fromkeys(["fp32", *best]))
    roofs = measure_roofs(device, list(dict.fromkeys(["fp32", *precisions])))
    print(f"this machine: {roofs}", flush=True)
    table = []
    for subject in chosen:
        for batch in args.batch:
            shape = (batch, *(args.size or subject.size))
            cases = [Case(subject, name, device, "fp32", shape) for name in (PLAIN, TORCHVISION)]
            cases += [Case(subject, name, device, p, shape) for name in args.engine for p in precisions]
            table += rows(cases, roofs, args.seconds)
    print_table(table, COLUMNS)
    if args.chart:
        cv2.imwrite(args.chart, bar_chart(table))
    print(json.dumps(table), flush=True)


def _to_host(outputs: object) -> object:
    if isinstance(outputs, torch.Tensor):
        return outputs.cpu()
    values = outputs.values() if isinstance(outputs, dict) else outputs
    return [_to_host(value) for value in values]


if __name__ == "__main__":
    main()
