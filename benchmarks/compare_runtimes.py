"""Compares the semantic networks on CPU runtimes: plain PyTorch, inductor, OpenVINO and ONNX Runtime, INT8 among them.

    pip install openvino onnxruntime onnx onnxscript nncf torchao  # what is not there is left out
    python -m benchmarks.compare_runtimes --weights unet_street unet_camvid fcn_camvid --int8
    python -m benchmarks.compare_runtimes --int8 --write    # the table of docs/benchmarks.md

All run the same graph, uint8 pixels to uint8 label and confidence, batch 1, at the size of the manifest.
Each is a process of its own, so that no thread pool gets in the way of another. They take turns for several rounds; of
each, the half of the rounds counts in which other processes used the processor least: p50 and p99 are medians of these.
INT8 is static quantisation after training, on training pictures. mIoU in percent is of pictures held out from training
(the street: rendered; CamVid: `val`); agreement is the share of pixels with the label that plain PyTorch gives, others
the cores that other processes used meanwhile; vs_inductor the p50 of inductor at its fastest here / this p50. The last
line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from benchmarks.page import DOCS, machine, write_section
from benchmarks.runtimes import PLAIN, RUNS, build
from seg_ros import runtime, weights
from seg_ros.cli.command import one_line_errors
from seg_ros.cli.common import markdown_table
from seg_ros.cli.evaluate import STREET_TEST
from seg_ros.engines.opening import Engine
from seg_ros.engines.threads import set_threads
from seg_ros.errors import EngineError
from seg_ros.metrics.confusion import Confusion
from seg_ros.results import Frame
from seg_ros.segmenter import Segmenter
from seg_ros.training.datasets import pairs, read_sample, render_street

STREET_TRAIN = range(0, 100)
COLUMNS = ("model", "runtime", "precision", "p50_ms", "p99_ms", "best_ms", "vs_eager", "vs_inductor", "miou",
           "agreement", "others")  # fmt: skip


def work(run: tuple[str, str], name: str, data: Path, threads: int, seconds: float, pipe: Connection) -> None:
    """Runs one process: sends labels of the held-out pictures, `(K, H, W) uint8`, or why not; then rounds on demand."""
    runtime.keep_freed_memory()
    try:
        set_threads(threads)
        manifest = weights.load_model(name)[1]
        training = pairs(data / "train") if run[1] == "int8" else []
        training = training[:: max(1, len(training) // 100)]  # about a hundred, from all over the set
        ready = build(run, name, [read_sample(*pair, len(manifest.classes))[0][None] for pair in training])
        segmenter = Segmenter(manifest, lambda _: Engine(*run, "cpu", ready, {}), manifest.input_size)
        pictures = [read_sample(*pair, len(manifest.classes))[0] for pair in pairs(data / "val")]
        pipe.send(np.stack([segmenter(Frame(pixels)).label.copy() for pixels in pictures]))
    except (ImportError, ValueError, EngineError) as error:
        pipe.send(str(error))
        return
    pixels = torch.randint(0, 256, (1, *manifest.input_size, 3), dtype=torch.uint8)
    while pipe.recv():
        for _ in range(10):
            ready(pixels)
        times, busy, begin = [], _others(), time.perf_counter()
        while len(times) < 10 or time.perf_counter() < begin + seconds:
            start = time.perf_counter()
            ready(pixels)
            times.append(1e3 * (time.perf_counter() - start))
        pipe.send((np.array(times), (_others() - busy) / (time.perf_counter() - begin)))


def _others() -> float:
    """Reads the seconds that other processes have used the processors, since some moment."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK") - time.process_time()


def compare(name: str, runs: list[tuple[str, str]], data: Path, threads: int, seconds: float, rounds: int) -> list:
    """Measures the rows of one network."""
    manifest = weights.load_model(name)[1]
    truths = [read_sample(*pair, len(manifest.classes))[1] for pair in pairs(data / "val")]
    context, pipes, labels = get_context("spawn"), {}, {}  # a fork would start with the threads of this one
    for run in runs:  # one by one: they compile on all cores
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(run, name, data, threads, seconds, theirs), daemon=True).start()
        theirs.close()
        found = ours.recv()
        if isinstance(found, str):
            print(f"{name}: no row for {' '.join(run)}: {found}", flush=True)
        else:
            pipes[run], labels[run] = ours, found
    print(f"{name}: load average before measuring {os.getloadavg()[0]:.2f}", flush=True)
    measured = {run: [] for run in pipes}
    for _ in range(rounds):
        for run, pipe in pipes.items():
            pipe.send(True)
            measured[run].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    rows = []
    for run in pipes:
        quiet = sorted(measured[run], key=lambda one: one[1])[: (rounds + 1) // 2]
        confusion = Confusion(len(manifest.classes))
        for truth, label in zip(truths, labels[run], strict=True):
            confusion.add(truth, label)
        rows.append({
            "model": name, "runtime": run[0], "precision": run[1],
            "p50_ms": round(float(np.median([np.median(times) for times, _ in quiet])), 2),
            "p99_ms": round(float(np.median([np.percentile(times, 99) for times, _ in quiet])), 2),
            "best_ms": round(float(min(times.min() for times, _ in quiet)), 2),
            "miou": round(100 * confusion.miou(), 2),
            "agreement": round(float((labels[run] == labels[PLAIN]).mean()), 4),
            "others": round(float(np.median([others for _, others in quiet])), 2),
        })  # fmt: skip
    floats = [row["p50_ms"] for row in rows if row["runtime"] == "inductor" and row["precision"] != "int8"]
    for row in rows:
        row["vs_eager"] = round(rows[0]["p50_ms"] / row["p50_ms"], 2)
        row["vs_inductor"] = round(min(floats) / row["p50_ms"], 2) if floats else None
    return rows


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", nargs="+", default=["unet_street", "unet_camvid", "fcn_camvid"], help="of semantic networks")
    add("--int8", action="store_true", help="also quantised")
    add("--data", type=Path, default=Path("../shared/data"), help="holds the data sets that the weights name")
    add("--seconds", type=float, default=3.0, help="of measuring each, in each round")
    add("--rounds", type=int, default=6)
    add("--write", action="store_true", help="also into docs/benchmarks.md")
    add("--threads", type=int, default=0, help="of each runtime (default: one per core)")
    args = parser.parse_args(arguments)
    runtime.prepare()  # for the processes that measure
    runs = [run for run in RUNS if args.int8 or run[1] != "int8"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.weights:
            data = args.data / weights.load_model(name)[1].dataset
            if data.name == "street":
                data = Path(folder)
                render_street(data / "train", STREET_TRAIN, 1)
                render_street(data / "val", STREET_TEST, 3)
            rows += compare(name, runs, data, args.threads, args.seconds, args.rounds)
    print(markdown_table(rows, COLUMNS))
    if args.write:
        where = machine("torch", "openvino", "onnxruntime", "nncf", "torchao")
        shown = [row for row in rows if row["runtime"] != PLAIN[0]]
        columns = ("model", "runtime", "precision", "vs_inductor", "miou", "agreement")
        write_section(DOCS, "runtimes", f"{where}\n\n{markdown_table(shown, columns)}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
