"""Compares an engine with its network as it was written: plain float32 PyTorch on the CPU."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from seg_ros.engines.opening import Engine
from seg_ros.geometry import Resize
from seg_ros.postprocess import POSTPROCESS
from seg_ros.results import SemanticMap, Wanted
from seg_ros.scenes import Street


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement of an engine with plain PyTorch, over some pictures.

    Attributes:
        labels: share of the pixels with the same label, 0..1. Of an instance network, the class of the best-scored
            object at the pixel, or none.
        error: largest difference of the confidence where the labels are the same, 0..1.
    """

    labels: float
    error: float

    def __str__(self) -> str:
        return f"{100 * self.labels:.2f} % of the labels as in plain float32, confidence within {self.error:.3f}"


def street_pictures(shape: tuple[int, int, int]) -> Tensor:
    """Draws N moments of the synthetic street, `(N, H, W, 3)` uint8 RGB. Noise would have no edges and no objects."""
    count, height, width = shape
    streets = [Street(20000 + i, (max(height, 64), max(width, 64))) for i in range(count)]
    images = [street.scene(30 * i).image[:height, :width] for i, street in enumerate(streets)]
    return torch.from_numpy(np.stack(images))


@torch.inference_mode()
def agreement(engine: Engine, graph: nn.Module, pixels: Tensor) -> Agreement:
    """Runs engine and graph on `pixels`, `(N, H, W, 3)` uint8 of the size that the engine was built for.

    Args:
        graph: that the engine was built from, float32 on the CPU.
    """
    ours = [output.cpu() for output in engine.run(pixels.to(engine.device))]
    return compared(ours, graph(pixels), graph.task, tuple(pixels.shape[1:3]))


def compared(ours: Sequence[Tensor], theirs: Sequence[Tensor], task: str, size: tuple[int, int]) -> Agreement:
    """Compares what two graphs of a task make of the same pictures of `size`, `(H, W)`; tensors on the CPU."""
    maps = [[_map(outputs, task, i, size) for outputs in (ours, theirs)] for i in range(len(theirs[0]))]
    same = np.stack([one.label == other.label for one, other in maps])
    error = np.stack([np.abs(one.confidence.astype(int) - other.confidence) for one, other in maps])
    return Agreement(float(same.mean()), float(error[same].max(initial=0)) / 255)


def _map(outputs: Sequence[Tensor], task: str, index: int, size: tuple[int, int]) -> SemanticMap:
    arrays = [output[index].numpy() for output in outputs]
    return POSTPROCESS[task].result(arrays, Resize.none(size), Wanted()).semantic()
