"""The networks: one table, from the name in a weights manifest to what builds a network and what it is for.

A network is a file here and a row in `MODELS`. Reading the table needs no PyTorch, so commands that only ask for names
start at once.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from seg_ros.models.arguments import check_types

if TYPE_CHECKING:
    from torch import nn

    from seg_ros.classes import ClassMap

SEMANTIC, INSTANCES = "semantic", "instances"
TASKS = (SEMANTIC, INSTANCES)
"""What a network is for: `semantic`, a class for every pixel; `instances`, objects with a mask each."""

_COUNTED = {
    SEMANTIC: ("classes", len),
    INSTANCES: ("things", lambda classes: len(classes.things)),
}
"""By task: the argument of a network that tells how many classes it distinguishes, and that number of a class map."""


@dataclasses.dataclass(frozen=True)
class Network:
    """A row of `MODELS`.

    Attributes:
        module: in this package.
        builder: in the module: a class or function that takes the manifest's arguments and returns a network. The
            network's attribute `task` equals this row's; `models/graph.py` says what a network of that task computes.
            One of its arguments is the number of classes: `classes`, or for instances the number of thing classes,
            `things`.
        task: one of `TASKS`.
        light: arguments of a network that a CPU can train and run, as those that are shipped; empty: the builder's own.
    """

    module: str
    builder: str
    task: str = SEMANTIC
    light: Mapping[str, int | float | bool] = dataclasses.field(default_factory=dict)

    def count(self, classes: ClassMap) -> dict[str, int]:
        """Returns the argument that makes the network fit `classes`, such as `{"classes": 11}` or `{"things": 3}`."""
        name, number = _COUNTED[self.task]
        return {name: number(classes)}

    def build(self, **arguments: object) -> nn.Module:
        """Returns the network with random weights, in training mode.

        Raises:
            ValueError: if an argument is not of the type that the builder declares, or the builder refuses it.
        """
        builder = getattr(importlib.import_module(f"{__name__}.{self.module}"), self.builder)
        check_types(builder, arguments)
        try:
            return builder(**arguments)
        except (TypeError, RuntimeError, OverflowError) as error:  # the latter are PyTorch's, of sizes that cannot be
            raise ValueError(f"{self.builder} refuses the arguments {arguments}: {error}") from error


MODELS: dict[str, Network] = {
    "unet": Network("unet", "unet", light={"width": 16, "depth": 4, "stem": True}),
    "unet_resnet": Network("unet", "unet_resnet", light={"depth": 18, "width": 0.5}),
    "unet_efficientnet": Network("unet", "unet_efficientnet"),
    "fcn": Network("fcn", "fcn", light={"depth": 18, "width": 0.5, "finest": 4}),
    "fcn_efficientnet": Network("fcn", "fcn_efficientnet"),
    "fcn_torchvision": Network("fcn", "TorchvisionFCN"),
    "mask_rcnn": Network(
        "mask_rcnn",
        "mask_rcnn",
        INSTANCES,
        light={
            **{"depth": 18, "width": 0.5, "channels": 64, "hidden": 256, "norm": True},
            **{"anchor": 16, "proposals": 128, "detections": 50},
        },
    ),
}


def create(name: str, **arguments: object) -> nn.Module:
    """Returns the network `name` of `MODELS` with random weights, in training mode.

    Raises:
        ValueError: if there is no such network, or it refuses its arguments.
    """
    if name not in MODELS:
        raise ValueError(f"expected a network of {', '.join(MODELS)}, got {name!r}")
    return MODELS[name].build(**arguments)
