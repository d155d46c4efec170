"""Quantises a trained network to INT8: observes the ranges of its features on pictures, and finds which layers bear it.

Nothing is trained, and no weight changes: an engine rounds the weights when it is built. What is found is a pair of
numbers for each layer, which the manifest keeps (`Manifest.ranges`).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from seg_ros.agreement import compared
from seg_ros.engines.opening import open_engine
from seg_ros.geometry import Resize
from seg_ros.models.precision import at_precision
from seg_ros.models.quantised import LAYERS, Range, steps

OBSERVED, LEAST = 100, 8
"""Most training pictures whose features are observed, evenly spaced, and the fewest."""
JUDGED = 4
"""Pictures on which layers are rounded one by one."""
_HARMFUL = 5.0
"""A layer stays float that changes so many times the labels that the median layer does, when it alone is rounded."""


def network_inputs(pictures: Dataset, size: tuple[int, int], most: int = OBSERVED) -> Iterator[Tensor]:
    """Reads up to `most` pictures, evenly spaced, as the network gets them: `(1, H, W, 3) uint8` RGB.

    Args:
        pictures: what `Task.training_data` gives.
        size: `(H, W)` of the network input.

    Raises:
        ValueError: if a picture does not decode.
    """
    for index in np.linspace(0, len(pictures) - 1, min(most, len(pictures))).astype(int):
        sample = pictures[index]
        pixels = (sample["image"] if isinstance(sample, dict) else sample[0]).numpy()
        staging = np.empty((*size, 3), np.uint8)
        Resize.of(pixels.shape[:2], size, "stretch").to_input(pixels, staging)
        yield torch.from_numpy(staging)[None]


@torch.inference_mode()
def observed(graph: nn.Module, pictures: Iterable[Tensor]) -> dict[str, Range]:
    """Returns the range of what goes into each layer, by its name: least and largest value, the mean over pictures.

    The mean, not the extreme: a rare peak would cost every other value its digits, and is cut off instead. A layer into
    which nothing above 0 goes has none.

    Args:
        graph: from `make_graph`.
        pictures: `(1, H, W, 3) uint8` each.
    """
    graph = at_precision(graph, "fp32")
    layers = {name: layer for name, layer in graph.model.named_modules() if isinstance(layer, LAYERS)}
    now, seen = {}, {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor]) -> None:
        low, high = now.get(name, (0.0, 0.0))  # a layer may run several times, on the levels of a pyramid
        now[name] = min(low, inputs[0].min().item()), max(high, inputs[0].max().item())

    for name, layer in layers.items():
        layer.register_forward_pre_hook(functools.partial(note, name))
    for pixels in pictures:
        now.clear()
        graph(pixels)
        for name, found in now.items():
            seen.setdefault(name, []).append(found)
    ranges = {name: tuple(np.mean(values, axis=0).tolist()) for name, values in seen.items()}
    return {name: (low, high) for name, (low, high) in ranges.items() if high > 0.0}


@torch.inference_mode()
def harms(graph: nn.Module, ranges: Mapping[str, Range], pixels: Tensor) -> Iterator[tuple[str, float]]:
    """Rounds each layer alone, and yields its name and the share of the labels in `pixels` that it changes, 0..1.

    Args:
        graph: from `make_graph`.
        ranges: from `observed`.
        pixels: `(N, H, W, 3) uint8`.
    """
    theirs = at_precision(graph, "fp32")(pixels)
    for name, found in ranges.items():
        one = with_ranges(graph, {name: found})
        rounded = at_precision(one, "int8")
        rounded.model.get_submodule(name).register_forward_pre_hook(functools.partial(_round, steps(*found)))
        yield name, 1.0 - compared(rounded(pixels), theirs, graph.task, tuple(pixels.shape[1:3])).labels


def bearable(harms: Mapping[str, float]) -> list[str]:
    """Returns the layers that bear rounding: all but those that do far more harm than most.

    Boxes that a layer predicts in pixels do, and what comes first, from which every error goes on.

    Args:
        harms: from the function of that name.
    """
    most = _HARMFUL * float(np.median(list(harms.values())))
    return [name for name, harm in harms.items() if harm <= most]


def _round(step: tuple[float, int], layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (torch.fake_quantize_per_tensor_affine(inputs[0], *step, 0, 255),)


def with_ranges(graph: nn.Module, ranges: Mapping[str, Range]) -> nn.Module:
    """Returns the same graph, with the same weights, for INT8 in the layers of `ranges`."""
    graph = copy.copy(graph)
    graph.ranges = ranges
    return graph


def on_engine(graph: nn.Module, digest: str, directory: Path | None = None) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """Returns what runs the graph in INT8 on OpenVINO, for pictures of any size: an engine is built for each.

    Args:
        graph: from `make_graph`, with ranges.
        digest: of weights and manifest.
        directory: of the engine cache; None is the default one.

    Raises:
        EngineError: when it is called, if OpenVINO is not installed or does not compile the graph.
    """

    @functools.lru_cache(4)
    def built(shape: tuple[int, int, int]) -> Callable[[Tensor], tuple[Tensor, ...]]:
        return open_engine("openvino", graph, shape, digest, directory, "int8", "cpu").run

    return lambda pixels: built(tuple(pixels.shape[:3]))(pixels)
