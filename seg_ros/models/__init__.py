"""The networks: one table, from the name in a weights manifest to what builds it and what it is for.

A network is a file and a row. The table itself needs no PyTorch, so that whoever only asks for names starts at once.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

SEMANTIC, INSTANCES = "semantic", "instances"
TASKS = (SEMANTIC, INSTANCES)
"""What a network is for: `semantic`, a class for every pixel; `instances`, objects with a mask each."""


@dataclasses.dataclass(frozen=True)
class Network:
    """A row of `MODELS`.

    Attributes:
        module: in this package.
        builder: in the module: a class or a function that takes the manifest's arguments and returns a network, whose
            attribute `task` equals this one's.
        task: one of `TASKS`.
        classes: the builder's argument that takes the number of classes: all of them, or those of objects.
    """

    module: str
    builder: str
    task: str = SEMANTIC
    classes: str = "classes"

    def build(self, **arguments: object) -> nn.Module:
        """The network with random weights.

        Raises:
            ValueError: if the builder refuses its arguments.
        """
        builder = getattr(importlib.import_module(f"{__name__}.{self.module}"), self.builder)
        try:
            return builder(**arguments)
        except TypeError as error:
            raise ValueError(f"{self.builder} refuses the arguments {arguments}: {error}") from error


MODELS: dict[str, Network] = {
    "unet": Network("unet", "UNet"),
    "fcn": Network("fcn", "FCN"),
    "fcn_torchvision": Network("fcn", "TorchvisionFCN"),
    "mask_rcnn": Network("mask_rcnn", "mask_rcnn", INSTANCES, classes="things"),
}


def create(name: str, **arguments: object) -> nn.Module:
    """The network `name` with random weights, in training mode.

    Raises:
        ValueError: if there is no such network, or it refuses its arguments.
    """
    if name not in MODELS:
        raise ValueError(f"expected a network of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name].build(**arguments)
