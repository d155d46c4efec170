"""Does one piece of the GPU check, in a process of its own: a lost device costs that piece.

    python -m benchmarks.gpu_work '{"do": "compare", "name": "unet_street", "engine": "eager", "device": "cuda"}'

The last line is JSON: what was found, or `{"error": why not}`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_networks import network
from benchmarks.roofs import Roofs, measure_roofs
from seg_ros import runtime
from seg_ros.agreement import street_pictures
from seg_ros.cli import latency
from seg_ros.cuda_step import Step
from seg_ros.engines.opening import best_precision, open_engine
from seg_ros.errors import EngineError, WeightsError
from seg_ros.geometry import Resize
from seg_ros.models.boxes import iou

SURE, FOUND = 0.5, 0.5
"""Score of an object that is looked for, and IoU of the box from which it counts as found."""
_STEPS = 20


def compare(name: str, engine: str, device: str) -> dict:
    """Builds an engine, runs pictures of the street through its whole step, and compares with plain PyTorch.

    That is float32 on the CPU, so an error that all of a GPU's ways have in common shows.
    """
    subject = network(name, device)
    pixels = street_pictures((1, *subject.size))
    precision = best_precision(device, subject.graph)
    opened = open_engine(engine, subject.graph, (1, *subject.size), subject.digest, None, precision, device)
    found = {"precision": opened.precision, "seconds": round(opened.seconds, 1)}
    if device == "cuda":
        step = Step(opened.run, Resize.none(subject.size), False, subject.graph.maps)
        step.staging[:] = pixels.numpy()
        ours = [torch.from_numpy(array) for array in step.run()]
        found |= {"captured": step.captured, "allocated": _allocated(step)}
    else:
        ours = list(opened.run(pixels))
    with torch.inference_mode():
        theirs = subject.graph(pixels)
    return found | (labels if subject.graph.maps else objects)(ours, theirs)


def labels(ours: list[Tensor], theirs: tuple[Tensor, ...]) -> dict:
    """Compares label and confidence: the share of equal labels, and the mean error of the confidence, 0..1."""
    error = (ours[1].float() - theirs[1].float()).abs().mean() / 255
    return {"labels": round(float((ours[0] == theirs[0]).float().mean()), 5), "confidence": round(float(error), 4)}


def objects(ours: list[Tensor], theirs: tuple[Tensor, ...]) -> dict:
    """Compares the objects of the first picture: how many are sure, the share of them found, and how well these fit.

    Objects whose score is near that of their neighbours may come or go with the last digit.
    """
    box, score, class_id, mask = (tensor[0] for tensor in ours)
    sure = theirs[1][0] >= SURE
    boxes, ids, masks = theirs[0][0][sure], theirs[2][0][sure], theirs[3][0][sure]
    if not len(boxes):
        return {"objects": 0, "found": 1.0, "box_iou": 1.0, "mask_iou": 1.0}
    overlap = iou(boxes, box).nan_to_num() * ((ids[:, None] == class_id) & (score > 0))
    best, which = overlap.max(dim=1)
    found = best >= FOUND
    one, other = masks[found] >= 0.5, mask[which][found] >= 0.5
    union = (one | other).sum(dim=(1, 2)).clamp(min=1)
    return {
        "objects": len(boxes),
        "found": round(float(found.float().mean()), 4),
        "box_iou": round(float(best[found].mean()), 4),
        "mask_iou": round(float(((one & other).sum(dim=(1, 2)) / union).mean()), 4),
    }


def _allocated(step: Step) -> int:
    """Counts the bytes and blocks of memory, of the GPU and pinned, that PyTorch hands out in some steps."""

    def so_far() -> int:
        pinned = torch.cuda.host_memory_stats().get("active_requests.allocated", 0)
        return torch.cuda.memory_stats()["allocated_bytes.all.allocated"] + pinned

    before = so_far()
    for _ in range(_STEPS):
        step.run()
    return so_far() - before


def measure(name: str, engines: list[str], device: str, seconds: float, roofs: dict | None) -> list[dict]:
    """Times a network: plain PyTorch, torchvision's where it has the network, and the engines, in turn; a row each."""
    subject = network(name, device)
    shape = (1, *subject.size)
    best = best_precision(device, subject.graph)
    cases = [latency.Case(subject, engine, device, "fp32", shape) for engine in (latency.PLAIN, latency.TORCHVISION)]
    cases += [latency.Case(subject, engine, device, best, shape) for engine in engines]
    runs: dict[latency.Case, Callable] = {}
    for case in cases:
        try:
            runs[case] = case.open()
        except EngineError as error:
            print(f"{name}: no row for {case.engine}: {error}", file=sys.stderr, flush=True)
    rows = latency.rows(runs, roofs and Roofs(**roofs), seconds, memory=False)
    if device == "cuda":
        for row, run in zip(rows, runs.values(), strict=True):
            row |= work(run)
    return rows


def work(run: Callable) -> dict:
    """Counts what a step makes the GPU do: its operations, kernels and copies, and the milliseconds that they take.

    `slowest` has those that take longest, by name. Nothing where the profiler sees no GPU.
    """
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    done = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    if not done:
        return {"operations": None, "gpu_ms": None, "slowest": None}
    milliseconds = Counter()
    for event in done:
        milliseconds[event.name] += event.time_range.elapsed_us() / 1e3
    return {
        "operations": len(done),
        "gpu_ms": round(milliseconds.total(), 3),
        "slowest": {kernel[:80]: round(ms, 3) for kernel, ms in milliseconds.most_common(6)},
    }


def peaks(device: str, seconds: float) -> dict:
    """Measures the machine's peaks, as the arguments of `Roofs`."""
    precisions = ["fp32", "fp16"] if device == "cuda" else ["fp32", "bf16"]
    roofs = measure_roofs(device, precisions, seconds)
    return {"multiply": roofs.multiply, "memory": roofs.memory}


DO = {"compare": compare, "measure": measure, "peaks": peaks}


def do(task: dict[str, Any]) -> Any:
    """Does what `task` names, with its other values as arguments; returns what was found, or `{"error": why not}`."""
    arguments = dict(task)
    try:
        return DO[arguments.pop("do")](**arguments)
    except (EngineError, WeightsError, ValueError, RuntimeError) as error:
        return {"error": " ".join(str(error).split())}


if __name__ == "__main__":
    runtime.keep_freed_memory()
    print(json.dumps(do(json.loads(sys.argv[1]))), flush=True)
