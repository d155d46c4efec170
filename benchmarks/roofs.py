"""Measures the peaks of this machine, multiplications and memory traffic, and counts what a graph must move."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from seg_ros.engines import openvino
from seg_ros.models.graph import InstanceGraph, SemanticGraph
from seg_ros.models.precision import DTYPES

_CHANNELS = 256


@dataclasses.dataclass(frozen=True)
class Roofs:
    """Peaks of one device.

    Attributes:
        multiply: GFLOP/s of large matrix products or convolutions, by precision; at int8 the operations are integers'.
        memory: GB/s of copying, read and written bytes counted.
    """

    multiply: dict[str, float]
    memory: float

    def milliseconds(self, precision: str, gflop: float, megabytes: float) -> float:
        """Gives the least time for work and traffic of this size (Williams et al.: Roofline, CACM 2009)."""
        return max(1e3 * gflop / self.multiply[precision], megabytes / self.memory)

    def __str__(self) -> str:
        parts = [f"{precision} {gflops:.0f} GFLOP/s" for precision, gflops in self.multiply.items()]
        return ", ".join([*parts, f"memory {self.memory:.0f} GB/s"])


@torch.inference_mode()
def measure_roofs(device: str, precisions: list[str], seconds: float = 0.5) -> Roofs:
    """Measures the peaks: the best of about `seconds` of runs for each figure."""
    side, pixels = (8192, 256) if device == "cuda" else (1536, 64)  # small work would not fill a GPU
    multiply = {}
    for precision in precisions:
        if precision == "int8":
            multiply[precision] = _integers(seconds)
            continue
        one, other = (torch.rand(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
        product = 2 * side**3 / _best(lambda one=one, other=other: one @ other, device, seconds)
        # As a convolution too: the library behind matrix products may not be the fastest of the machine.
        image = torch.rand(1, _CHANNELS, pixels, pixels, device=device)
        image = image.to(DTYPES[precision], memory_format=torch.channels_last)
        weight = torch.rand(_CHANNELS, _CHANNELS, 3, 3, device=device).to(image)
        convolve = functools.partial(F.conv2d, image, weight, padding=1)
        convolution = 2 * 9 * _CHANNELS**2 * pixels**2 / _best(convolve, device, seconds)
        multiply[precision] = max(product, convolution) / 1e9
    source = torch.empty(2**28, dtype=torch.uint8, device=device)  # beyond every cache
    target = torch.empty_like(source)
    best = _best(lambda: target.copy_(source), device, seconds)
    return Roofs(multiply, 2 * source.numel() / best / 1e9)


@torch.inference_mode()
def traffic(graph: SemanticGraph | InstanceGraph, shape: tuple[int, int, int], precision: str) -> float:
    """Counts the megabytes that must move at least, once each: weights, pixels of `(N, H, W)`, and outputs."""
    pixels = torch.zeros(*shape, 3, dtype=torch.uint8)
    size = 1 if precision == "int8" else DTYPES[precision].itemsize
    weights = sum(p.numel() * size for p in graph.parameters())
    return (weights + sum(tensor.nbytes for tensor in (pixels, *graph(pixels)))) / 1e6


def _integers(seconds: float) -> float:
    """Measures the GFLOP/s of int8 convolutions by OpenVINO, the engine that has them; an operation is a FLOP here."""
    openvino.versions()  # imports it without its telemetry, or says how to install it
    return max(_integer_convolutions(kernel, seconds) for kernel in (1, 3))  # which is faster depends on the processor


def _integer_convolutions(kernel: int, seconds: float) -> float:
    from openvino import Core, Model
    from openvino import opset13 as ops

    pixels = ops.parameter([1, _CHANNELS, 64, 64], np.float32)
    features, layers, margin = (
        pixels,
        8,
        [kernel // 2] * 2,
    )  # floats only go in and out
    for _ in range(layers):
        features = ops.fake_quantize(features, *np.float32([0.0, 2.55, 0.0, 2.55]), 256)
        weights = np.random.default_rng(0).integers(-63, 64, (_CHANNELS, _CHANNELS, kernel, kernel), np.int8)
        scaled = ops.multiply(ops.convert(ops.constant(weights), np.float32), ops.constant(np.float32(0.001)))
        features = ops.relu(ops.convolution(features, scaled, [1, 1], margin, margin, [1, 1]))
    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "PERFORMANCE_HINT": "LATENCY"}
    request = Core().compile_model(Model([features], [pixels]), "CPU", options).create_infer_request()
    return layers * 2 * (kernel * _CHANNELS * 64) ** 2 / _best(request.infer, "cpu", seconds) / 1e9


def _best(run: Callable, device: str, seconds: float) -> float:
    run()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best
