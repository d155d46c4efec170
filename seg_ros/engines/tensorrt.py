"""Placeholder while the contract is laid."""

from __future__ import annotations

from torch import Tensor, nn

from seg_ros.engines.cache import Artefact
from seg_ros.errors import EngineError


def versions() -> dict[str, str]:
    raise EngineError("tensorrt needs an NVIDIA GPU")


def build(graph: nn.Module, example: Tensor, artefact: Artefact) -> nn.Module:
    raise NotImplementedError
