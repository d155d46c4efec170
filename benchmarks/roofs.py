"""Measures the peaks of this machine, multiplications and memory traffic, and counts what a graph must move."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from seg_ros.models.graph import InstanceGraph, SemanticGraph
from seg_ros.models.precision import DTYPES

_CHANNELS = 256


@dataclasses.dataclass(frozen=True)
class Roofs:
    """Peaks of one device.

    Attributes:
        multiply: GFLOP/s of large matrix products or convolutions, by precision.
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
    size = DTYPES[precision].itemsize
    weights = sum(p.numel() * size for p in graph.parameters())
    return (weights + sum(tensor.nbytes for tensor in (pixels, *graph(pixels)))) / 1e6


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
