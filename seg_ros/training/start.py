"""Weights that training starts from: another seg_ros network's, or a published ResNet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from seg_ros import weights
from seg_ros.convert import IMAGENET_MEAN, IMAGENET_STD
from seg_ros.errors import WeightsError
from seg_ros.pth import read_pth

_RESNET = "layer1.0.conv1.weight"
"""Every ResNet of seg_ros and torchvision has this parameter; the prefix is where the ResNet is."""


@dataclasses.dataclass(frozen=True)
class Start:
    """Tensors to start from.

    Attributes:
        path: of the file.
        tensors: by name.
        mean, std: of the normalisation that they were trained with, as in a manifest.
        published: a PyTorch file, of which the ResNet is taken, and taken whole.
        architecture, arguments: of the network, as in a manifest; empty of a published one.
    """

    path: str
    tensors: dict[str, Tensor]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    published: bool = False
    architecture: str = ""
    arguments: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Start:
        """Reads a weights file, or a published `.pth` with torchvision's parameter names; a pickle runs nothing.

        Raises:
            WeightsError: if the file does not read, or is a `.pth` without a ResNet.
        """
        if Path(path).suffix not in (".pth", ".pt"):
            manifest, tensors = weights.load(path)
            network = {"architecture": manifest.architecture, "arguments": manifest.arguments}
            return cls(str(path), tensors, manifest.mean, manifest.std, **network)
        tensors = read_pth(path)
        if _resnet(tensors) is None:
            raise WeightsError(
                f"{path}: expected a ResNet with torchvision's parameter names, got {', '.join(sorted(tensors)[:3])}, "
                "...; other published networks become weights files by python -m seg_ros.cli.convert"
            )
        return cls(str(path), tensors, IMAGENET_MEAN, IMAGENET_STD, published=True)

    def fill(self, model: nn.Module) -> list[str]:
        """Copies what fits `model` by name and shape, and returns the names of what keeps its random start.

        The ResNet in the file goes into the ResNet of the model, wherever in the two they are. With another set of
        classes the last layer stays random.

        Raises:
            WeightsError: if nothing fits, or not the whole of a published ResNet.
        """
        own = model.state_dict()
        theirs, ours = _resnet(self.tensors), _resnet(own)
        tensors = {} if self.published else dict(self.tensors)
        if theirs is not None and ours is not None:
            tensors |= {ours + n.removeprefix(theirs): t for n, t in self.tensors.items() if n.startswith(theirs)}
        fitting = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
        if self.published:
            self._check_whole(own, ours, tensors)
        if not fitting:
            raise WeightsError(f"{self.path}: expected weights of the same architecture, no tensor fits")
        model.load_state_dict(own | fitting)
        return sorted(own.keys() - fitting.keys())

    def _check_whole(self, own: dict[str, Tensor], ours: str | None, tensors: dict[str, Tensor]) -> None:
        if ours is None:
            raise WeightsError(
                f"{self.path}: a published ResNet fills the encoder of unet_resnet, fcn, fcn_torchvision or mask_rcnn; "
                "this network has no ResNet"
            )
        layers = (f"{ours}layer", f"{ours}conv1.", f"{ours}bn1.")
        for name, tensor in own.items():
            if not name.startswith(layers) or name.endswith("num_batches_tracked"):  # older files have none
                continue
            got = tuple(tensors[name].shape) if name in tensors else "none"
            if got != tuple(tensor.shape):
                raise WeightsError(
                    f"{self.path}: tensor {name!r}: expected {tuple(tensor.shape)}, got {got}; "
                    "give the network the depth of that ResNet, and width 1: --arguments depth=..."
                )
        deeper = sorted(n for n in tensors if n.startswith(f"{ours}layer") and n not in own)
        if deeper:
            raise WeightsError(
                f"{self.path}: tensor {deeper[0]!r} has no place, the ResNet of the file is deeper than the network's; "
                "give the network its depth: --arguments depth=..."
            )


def _resnet(names: Iterable[str]) -> str | None:
    """What stands before the names of the parameters of a ResNet; None if there is none."""
    return next((name.removesuffix(_RESNET) for name in names if name.endswith(_RESNET)), None)
