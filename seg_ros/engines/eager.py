"""The reference engine: PyTorch as it is. Needs nothing but PyTorch and starts at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seg_ros.engines.cache import Artefact


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> nn.Module:
    """Runs the graph operator by operator; builds and caches nothing."""
    return graph.to(memory_format=torch.channels_last)
