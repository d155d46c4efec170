"""The whole computation that an engine compiles: pixels in, what the messages need out.

What a network computes depends on its task. `semantic`: a method `logits` that maps normalised images
`(N, 3, H, W)` float to logits `(N, C, h, w)` before upsampling and the `(H, W)` that they cover from the top left.
`instances`: `forward`, which maps the same images to the dict of `MaskRCNN.forward`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from seg_ros.classes import UNLABELLED
from seg_ros.models import INSTANCES, SEMANTIC
from seg_ros.models.labels import label_and_confidence
from seg_ros.models.quantised import Range


class Normalise(nn.Module):
    """Maps `(N, H, W, 3)` uint8 RGB to `(N, 3, H, W)` float, `(pixel / 255 - mean) / std`.

    Args:
        mean, std: per RGB channel, of pixel values scaled to 0..1.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        # As one multiply and one add.
        scale = 1.0 / (255.0 * torch.tensor(std))
        self.register_buffer("scale", scale.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", (-torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.float().permute(0, 3, 1, 2) * self.scale + self.shift


class SemanticGraph(nn.Module):
    """Normalisation, network, arg-max and confidence as one graph.

    Args:
        model: a network of the task `semantic`.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
        things: not needed; every graph takes it.
    """

    task = SEMANTIC
    maps = True
    """Whether all outputs are uint8 maps of the size of the pixels."""
    ranges: Mapping[str, Range] = {}
    """What goes into the layers that can be quantised, or, at its precision, that are; see `make_graph`."""
    portable = False
    """See `seg_ros.models.precision.at_precision`."""
    dtype = torch.uint8
    """Of label and confidence."""

    def __init__(
        self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], things: Iterable[int] = ()
    ) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std)
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps `(N, H, W, 3)` uint8 RGB to label and confidence, each `(N, H, W)` uint8.

        Confidence is the soft-max probability of the label, 0..255. Where the logits are not finite the
        confidence is 0 and the label is 255 (`label_and_confidence` defines what counts as finite).
        """
        logits, size = self.model.logits(self.normalise(pixels))
        return label_and_confidence(logits, size, self.portable, tuple(pixels.shape[1:3]), self.dtype)


class InstanceGraph(nn.Module):
    """Normalisation, network with suppression and RoIAlign, class ids and mask probabilities as one graph.

    Args:
        model: a network of the task `instances`.
        mean, std: per RGB channel, of pixel values scaled to 0..1.
        things: class ids of the thing classes; in ascending order they are the network's classes 1..T.
    """

    task = INSTANCES
    maps = False
    ranges: Mapping[str, Range] = {}

    def __init__(
        self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...], things: Iterable[int]
    ) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std)
        self.model = model
        ids = torch.tensor([UNLABELLED, *sorted(things)], dtype=torch.int32)
        self.register_buffer("ids", ids, persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps `(N, H, W, 3)` uint8 RGB to D detections of each image in descending score.

        Returns:
            boxes `(N, D, 4)` float32 in pixels of the input; scores `(N, D)` float32 0..1, 0 in empty slots, which
            come last, -1 in all slots where the network's numbers are not finite; class ids `(N, D)` int32; masks
            `(N, D, 28, 28)` float32, probability 0..1 over the box.
        """
        found = self.model(self.normalise(pixels))
        masks = found["mask_logits"].float().sigmoid()
        return found["boxes"].float(), found["scores"].float(), self.ids[found["things"]], masks


GRAPHS = {graph.task: graph for graph in (SemanticGraph, InstanceGraph)}
"""The graph of each task."""


def make_graph(
    model: nn.Module,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    things: Iterable[int] = (),
    ranges: Mapping[str, Range] | None = None,
) -> SemanticGraph | InstanceGraph:
    """Returns the graph of the model's task around `model`, in eval mode.

    Args:
        mean, std: per RGB channel, of pixel values scaled to 0..1.
        things: class ids of the thing classes.
        ranges: of what goes into the layers that can be quantised to INT8, by their names in `model`.
    """
    graph = GRAPHS[model.task](model, mean, std, things).eval()
    graph.ranges = ranges or {}
    return graph
