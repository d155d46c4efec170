"""The reference engine: PyTorch as it is. Needs nothing but PyTorch and starts at once."""

from __future__ import annotations

from torch import Tensor, nn

from seg_ros.engines.cache import Artefact


def versions() -> dict[str, str]:
    """Returns nothing: artefacts depend on no version but PyTorch's."""
    return {}


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> nn.Module:
    """Runs the graph operator by operator; builds and caches nothing."""
    return graph
