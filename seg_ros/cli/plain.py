"""The network as most code runs it in PyTorch: what the engines are measured against."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models.graph import InstanceGraph, SemanticGraph


class Plain(nn.Module):
    """Runs a network from pixels to label and confidence: eager, float32, NCHW, upsampled logits, soft-max, arg-max.

    Args:
        graph: of the network; an instance network's graph is already as most code has it.
        model: another network of the same kind, that stands in for the graph's own.
    """

    def __init__(self, graph: SemanticGraph | InstanceGraph, model: nn.Module | None = None) -> None:
        super().__init__()
        self.graph, self.model = graph, model or graph.model

    def forward(self, pixels: Tensor) -> object:
        """`pixels`: `(N, H, W, 3)` uint8, on the device of the network."""
        if not self.graph.maps:
            return self.graph(pixels) if self.model is self.graph.model else self.model(self._images(pixels))
        images = self._images(pixels)
        confidence, label = F.softmax(self.model(images)["out"], dim=1).max(dim=1)
        return label.to(torch.uint8), (confidence * 255.0 + 0.5).to(torch.uint8)

    def _images(self, pixels: Tensor) -> Tensor:
        floats = pixels.permute(0, 3, 1, 2).contiguous().float() / 255.0
        return floats * (255.0 * self.graph.normalise.scale) + self.graph.normalise.shift
