"""Checks everything that needs an NVIDIA GPU, in at most 8 minutes, and writes the table of what is fast there.

    python scripts/gpu_check.py            # or: make gpu
    python scripts/gpu_check.py --device cpu    # the same way with small networks, where there is no GPU

Needs PyTorch 2.11 or later, numpy, opencv, safetensors and pytest; no ROS. First, side by side: the tests that need a
GPU; and each engine that is there is built for each network, runs a picture of the street through its whole step, and
is compared with plain float32 PyTorch on the CPU. Then, alone: the peaks of the machine, and each network on each
engine beside plain PyTorch and, where it has the network, torchvision. Writes gpu.md, gpu.json and tests.log; the last
line on stdout is the JSON. The exit status is 1 if a test fails, or if an engine that is there does not work,
disagrees, is not captured as a CUDA graph, or takes memory for a frame. Goals that are missed do not count.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_work
from benchmarks.gpu_networks import NAMES, R50, UNET
from benchmarks.page import machine
from benchmarks.roofs import Roofs
from seg_ros import runtime
from seg_ros.cli.command import one_line_errors
from seg_ros.cli.common import markdown_table
from seg_ros.engines import ENGINES
from seg_ros.errors import EngineError

BY_DEVICE = {"cuda": ("tensorrt", "inductor", "eager"), "cpu": ("eager",)}
"""Engines that are checked if none are named."""
ROOT = Path(__file__).resolve().parents[1]
TESTS = ("test/test_cuda_step.py", "test/test_runner_cuda.py", "test/engines/test_tensorrt.py")
AGREE = {"labels": 0.97, "found": 0.9, "box_iou": 0.9, "mask_iou": 0.8}
"""Least agreement of an engine in half precision with plain float32 PyTorch."""
_BUILDERS = 4
"""Engines that are built at a time: each takes several processes and some GB."""
_TIMING = 0.4
"""Share of all time that is kept for timing; building ends before."""
_SPEED = ("model", "engine", "precision", "p50_ms", "p99_ms", "fps", "gpu_ms", "operations", "gflop", "roof_share",
          "vs_eager", "vs_torchvision")  # fmt: skip
_AGREEMENT = ("model", "engine", "precision", "seconds", "captured", "allocated", "labels", "confidence", "objects",
              "found", "box_iou", "mask_iou")  # fmt: skip

Do = Callable[[dict[str, Any], float], Any]
"""Does a task of `gpu_work` before a moment of `time.monotonic`."""


def apart(task: dict[str, Any], end: float) -> Any:
    """Does a task in a process of its own, whose stderr is ours; `{"error": why}` if it does not come through."""
    command = [sys.executable, "-m", "benchmarks.gpu_work", json.dumps(task)]
    # Several compile at a time, and PyTorch would start as many processes for each as there are cores.
    environment = {"TORCHINDUCTOR_COMPILE_THREADS": "4"} | os.environ
    limit = max(end - time.monotonic(), 1)
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=limit)
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": "no time was left for it"}
    except (IndexError, json.JSONDecodeError):
        return {"error": f"its process ended with status {done.returncode}"}


def there(engines: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Returns which engines are there, and of the others, by name, why not."""
    found, missing = [], {}
    for name in engines:
        try:
            importlib.import_module(ENGINES[name]).versions()
            found.append(name)
        except EngineError as error:
            missing[name] = str(error)
    return found, missing


def run_tests(output: Path, end: float) -> dict[str, Any]:
    """Runs the tests that need a GPU; what they print goes to a file."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *TESTS]
    with (output / "tests.log").open("w") as log:
        try:
            limit = max(end - time.monotonic(), 1)
            status = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, timeout=limit).returncode
        except subprocess.TimeoutExpired:
            status = None
    lines = (output / "tests.log").read_text().splitlines()
    return {"status": status, "said": lines[-1] if lines else ""}


def agreements(names: tuple[str, ...], engines: list[str], device: str, do: Do, end: float) -> list[dict]:
    """Builds and compares each engine for each network; a row each, `error` in it where that does not work."""
    tasks = [
        {"do": "compare", "name": name, "engine": engine, "device": device} for engine in engines for name in names
    ]
    with ThreadPoolExecutor(_BUILDERS if device == "cuda" else 1) as pool:
        found = pool.map(lambda task: do(task, end), tasks)
        return [{"model": t["name"], "engine": t["engine"]} | row for t, row in zip(tasks, found, strict=True)]


def faults(rows: list[dict], tests: dict[str, Any] | None) -> list[str]:
    """Lists what must not be: tests that fail, engines that disagree or do not run as one CUDA graph."""
    found = []
    if tests and tests["status"] != 0:
        found.append(f"the tests: {tests['said'] or 'no output'} (see tests.log)")
    for row in rows:
        what = f"{row['model']} on {row['engine']}"
        found += [f"{what}: {key} {row[key]}, expected {least} or more" for key, least in AGREE.items()
                  if row.get(key, 1.0) < least]  # fmt: skip
        if row.get("captured") is False:
            found.append(f"{what}: the step is no CUDA graph")
        if row.get("allocated"):
            found.append(f"{what}: takes memory for a frame, {row['allocated']} bytes in some steps")
        if "error" in row:
            found.append(f"{what}: {row['error']}")
    return found


def goals(rows: list[dict]) -> list[dict]:
    """Compares the fastest engine of two networks with what is aimed at; None where it was not measured."""
    best = {}
    for row in sorted((row for row in rows if row["engine"] in ENGINES), key=lambda row: -row["p50_ms"]):
        best[row["model"]] = row
    aims = ((UNET, "fps", 1330, 1), (UNET, "vs_eager", 3, 1), (R50, "p50_ms", 7, -1), (R50, "vs_torchvision", 4, 1))
    found = []
    for name, what, aim, sign in aims:
        value = best.get(name, {}).get(what)
        met = None if value is None else sign * value >= sign * aim
        found.append({"model": name, "what": what, "aim": aim, "value": value, "met": met})
    return found


def page(found: dict[str, Any]) -> str:
    """Writes what was found for people."""
    tests, roofs = found["tests"], found["roofs"]
    parts = [found["machine"], f"Measured peaks: {Roofs(**roofs)}." if roofs else "No peaks were measured."]
    if tests:
        parts.append(f"Tests that need a GPU: {tests['said']}")
    agree = [row for row in found["agreement"] if "error" not in row]
    parts += ["## Each engine beside plain float32 PyTorch on the CPU", _table(agree, _AGREEMENT)]
    parts += [
        f"- no `{row['engine']}` for {row['model']}: {row['error']}" for row in found["agreement"] if "error" in row
    ]
    parts += ["## Speed, copies from and to the host's memory included", _table(found["speed"], _SPEED)]
    for row in found["speed"]:
        if row.get("slowest"):
            named = ", ".join(f"{ms} ms {kernel}" for kernel, ms in row["slowest"].items())
            parts.append(f"- {row['model']} on {row['engine']} {row['precision']}: {named}")
    words = {True: "met", False: "missed", None: "not measured"}
    parts += [
        "## Goals",
        *(f"- {g['model']}: {g['what']} {g['value']}, aimed at {g['aim']}: {words[g['met']]}" for g in found["goals"]),
    ]
    parts += ["## Faults", *(f"- {fault}" for fault in found["faults"] or ["none"])]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ")


def _table(rows: list[dict], columns: tuple[str, ...]) -> str:
    return markdown_table([dict.fromkeys(columns) | row for row in rows], columns)


def check(
    names: tuple[str, ...], engines: Sequence[str], device: str, do: Do, output: Path, seconds: float, limit: float
) -> dict[str, Any]:
    """Does all of it within `limit` seconds; returns what is printed."""
    began = time.monotonic()
    building, end = began + (1 - _TIMING) * limit, began + limit
    engines, missing = there(engines)
    with ThreadPoolExecutor(1) as beside:
        tests = beside.submit(run_tests, output, building) if device == "cuda" else None
        agreement = agreements(names, engines, device, do, building)
    results = tests.result() if tests else None
    found, speed = faults(agreement, results), []
    roofs = do({"do": "peaks", "device": device, "seconds": min(seconds, 0.5)}, end)
    if "error" in roofs:
        found.append(f"no peaks were measured: {roofs['error']}")
        roofs = None
    for name in names:
        works = [row["engine"] for row in agreement if row["model"] == name and "error" not in row]
        task = {"do": "measure", "name": name, "engines": works, "device": device, "seconds": seconds, "roofs": roofs}
        rows = do(task, end)
        if "error" in rows:
            found.append(f"{name} was not timed: {rows['error']}")
        else:
            speed += rows
    gpu = torch.cuda.get_device_name() if device == "cuda" else ""
    return {
        "machine": machine("torch", "torchvision", "triton", "tensorrt", "torch-tensorrt", "numpy", gpu=gpu),
        "roofs": roofs, "tests": results, "missing": missing, "agreement": agreement, "speed": speed,
        "goals": goals(speed), "faults": found, "seconds": round(time.monotonic() - began),
    }  # fmt: skip


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--output", type=Path, default=Path("gpu"), help="folder to write to (default: gpu)")
    add("--device", choices=tuple(NAMES), default="cuda")
    add("--networks", nargs="+", metavar="NAME", help="some of them (default: all)")
    add("--engine", nargs="+", choices=tuple(ENGINES), help="default: all that run on the device; on the CPU eager")
    add("--seconds", type=float, default=2.0, help="of timing each row")
    add("--minutes", type=float, default=8.0, help="that all may take")
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("PyTorch sees no NVIDIA GPU here; --device cpu runs the same way with small networks")
    names = tuple(args.networks or NAMES[args.device])
    if unknown := set(names) - set(NAMES[args.device]):
        raise ValueError(f"--networks {', '.join(unknown)}: expected some of {', '.join(NAMES[args.device])}")
    runtime.prepare()  # for the processes that work
    args.output.mkdir(parents=True, exist_ok=True)
    here = args.device == "cpu"  # which nothing takes away
    do = (lambda task, _: gpu_work.do(task)) if here else apart
    engines = args.engine or BY_DEVICE[args.device]
    found = check(names, engines, args.device, do, args.output, args.seconds, 60 * args.minutes)
    text, line = page(found), json.dumps(found)
    (args.output / "gpu.md").write_text(text + "\n")
    (args.output / "gpu.json").write_text(line + "\n")
    print(f"{text}\n{line}", flush=True)
    if found["faults"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
