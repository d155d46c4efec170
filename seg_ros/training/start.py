"""Weights that training starts from: another seg_ros network's, or a published encoder's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from seg_ros import weights
from seg_ros.convert import IMAGENET_MEAN, IMAGENET_STD
from seg_ros.errors import WeightsError
from seg_ros.models import efficientnet_lite
from seg_ros.pth import State, read_pth


@dataclasses.dataclass(frozen=True)
class _Encoder:
    """A kind of encoder that others publish weights of.

    Attributes:
        name: for people.
        networks: that have one.
        fit: how to choose its size.
        first: a parameter that each of its kind has; what stands before that name is where the encoder is.
        parts: how the names of its parameters begin.
        mean, std: of the pictures that the published weights were trained with.
        ends_early: a network may have the first stages alone, so tensors of the file may have no place in it.
    """

    name: str
    networks: str
    fit: str
    first: str
    parts: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    ends_early: bool = False

    def prefix(self, names: Iterable[str]) -> str | None:
        """Returns what stands before the names of this encoder's parameters among `names`; None without one."""
        return next((name.removesuffix(self.first) for name in names if name.endswith(self.first)), None)

    def has(self, name: str, prefix: str) -> bool:
        return name.startswith(tuple(prefix + part for part in self.parts))


_ENCODERS = (
    _Encoder(
        "ResNet",
        "unet_resnet, fcn, fcn_torchvision or mask_rcnn",
        "give the network the depth of that ResNet, and width 1: --arguments depth=...",
        "layer1.0.conv1.weight",
        ("layer", "conv1.", "bn1."),
        IMAGENET_MEAN,
        IMAGENET_STD,
    ),
    _Encoder(
        "EfficientNet-Lite",
        "unet_efficientnet or fcn_efficientnet",
        "give the network its variant: --arguments variant=...",
        "blocks.0.depthwise.conv.weight",
        ("stem.", "blocks."),
        efficientnet_lite.MEAN,
        efficientnet_lite.STD,
        ends_early=True,
    ),
)


@dataclasses.dataclass(frozen=True)
class Start:
    """Tensors to start from.

    Attributes:
        path: of the file.
        tensors: by name.
        mean, std: of the normalisation that they were trained with, as in a manifest.
        published: a PyTorch file, of which the encoder is taken, and taken whole.
        architecture, arguments: of the network, as in a manifest; empty of a published one.
    """

    path: str
    tensors: State
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    published: bool = False
    architecture: str = ""
    arguments: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Start:
        """Reads a weights file, or a published encoder's `.pth`; a pickle runs nothing.

        Raises:
            WeightsError: if the file does not read, or is a `.pth` without such an encoder.
        """
        if Path(path).suffix not in (".pth", ".pt"):
            manifest, tensors = weights.load(path)
            network = {"architecture": manifest.architecture, "arguments": manifest.arguments}
            return cls(str(path), tensors, manifest.mean, manifest.std, **network)
        tensors = efficientnet_lite.renamed(read_pth(path))
        kind = next((kind for kind in _ENCODERS if kind.prefix(tensors) is not None), None)
        if kind is None:
            raise WeightsError(
                f"{path}: expected a ResNet with torchvision's parameter names, or an EfficientNet-Lite, got "
                f"{', '.join(sorted(tensors)[:3])}, ...; other published networks become weights files by "
                "python -m seg_ros.cli.convert"
            )
        return cls(str(path), tensors, kind.mean, kind.std, published=True)

    def fill(self, model: nn.Module) -> list[str]:
        """Copies what fits `model` by name and shape, and returns the names of what keeps its random start.

        The encoder in the file goes into the encoder of the model, wherever in the two they are. With another set of
        classes the last layer stays random.

        Raises:
            WeightsError: if nothing fits, or not the whole of a published encoder.
        """
        own = model.state_dict()
        tensors = {} if self.published else dict(self.tensors)
        for kind in _ENCODERS:
            theirs, ours = kind.prefix(self.tensors), kind.prefix(own)
            if theirs is not None and ours is not None:
                tensors |= {ours + n.removeprefix(theirs): t for n, t in self.tensors.items() if n.startswith(theirs)}
            if theirs is not None and self.published:
                self._check_whole(kind, own, ours, tensors)
        fitting = {name: t for name, t in tensors.items() if name in own and own[name].shape == t.shape}
        if not fitting:
            raise WeightsError(f"{self.path}: expected weights of the same architecture, no tensor fits")
        model.load_state_dict(own | fitting)
        return sorted(own.keys() - fitting.keys())

    def _check_whole(self, kind: _Encoder, own: State, ours: str | None, tensors: State) -> None:
        if ours is None:
            raise WeightsError(
                f"{self.path}: a published {kind.name} fills the encoder of {kind.networks}; this network has none"
            )
        for name, tensor in own.items():
            if not kind.has(name, ours) or name.endswith("num_batches_tracked"):  # older files have none
                continue
            got = tuple(tensors[name].shape) if name in tensors else "none"
            if got != tuple(tensor.shape):
                raise WeightsError(
                    f"{self.path}: tensor {name!r}: expected {tuple(tensor.shape)}, got {got}; {kind.fit}"
                )
        deeper = sorted(name for name in tensors if kind.has(name, ours) and name not in own)
        if deeper and not kind.ends_early:  # of another variant the shapes are other ones
            raise WeightsError(
                f"{self.path}: tensor {deeper[0]!r} has no place, the {kind.name} of the file is deeper than the "
                f"network's; {kind.fit}"
            )
