"""Rounds layers of a graph to INT8, in float ("fake quantisation"), from which an engine makes integer kernels.

Jacob et al.: Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018.
Weights are rounded by output channel, to scales of their own. Features are rounded by tensor, to ranges that were
observed on pictures (`seg_ros.quantization`): the range of what goes into each layer, by the layer's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrize

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Range = Sequence[float]
"""Least and largest value, `low <= 0 < high`."""
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""What can be quantised."""
_MOST = 63
"""Largest rounded weight. Processors without VNNI add pairs of 8-bit products in 16 bits: 2 x 255 x 63 still fits."""
_aten = torch.ops.aten
_OPERATORS = (_aten.conv2d.default, _aten.conv_transpose2d.input, _aten.linear.default)
_CHOOSE = (_aten.max_pool2d.default, _aten.cat.default, _aten.slice.Tensor, _aten.dropout.default)
"""Operators that only choose among values: what comes out of them is rounded if what goes in is."""


class _Rounded(nn.Module):
    """Rounds a weight to whole multiples of a scale for each output channel."""

    def __init__(self, weight: Tensor, channel: int) -> None:
        super().__init__()
        self.channel = channel
        others = [d for d in range(weight.ndim) if d != channel]
        scale = weight.detach().abs().amax(others).float() / _MOST
        self.register_buffer("scale", scale.clamp(min=torch.finfo(torch.float32).tiny))
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.int32))

    def forward(self, weight: Tensor) -> Tensor:
        return torch.fake_quantize_per_channel_affine(weight, self.scale, self.zero, self.channel, -_MOST, _MOST)


def round_weights(model: nn.Module, ranges: Mapping[str, Range]) -> None:
    """Rounds the weights of the layers in `ranges`, in place."""
    for name in ranges:
        layer = model.get_submodule(name)
        channel = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        parametrize.register_parametrization(layer, "weight", _Rounded(layer.weight, channel), unsafe=True)


def layers(program: ExportedProgram) -> list[tuple[str, fx.Node]]:
    """Returns the calls of layers in an exported graph, in order, each with the name of the layer in `graph.model`."""
    calls = [node for node in program.graph.nodes if node.target in _OPERATORS]
    return [(list(node.meta["nn_module_stack"].values())[-1][0].removeprefix("model."), node) for node in calls]


def round_features(program: ExportedProgram, ranges: Mapping[str, Range]) -> None:
    """Rounds what goes into the layers in `ranges`, in place.

    It is rounded where it is made, before poolings and concatenations, and for all that use it: so it is written once,
    as integers, and features that are concatenated have one scale.
    """
    groups: list[tuple[set[fx.Node], list[Range]]] = []
    for name, node in layers(program):
        if name in ranges:
            sources, found = _sources(node.args[0]), [ranges[name]]
            for group in [group for group in groups if group[0] & sources]:
                groups.remove(group)
                sources, found = sources | group[0], found + group[1]
            groups.append((sources, found))
    for sources, found in groups:
        for source in sources:
            _round(source, min(low for low, _ in found), max(high for _, high in found))


def _sources(node: fx.Node) -> set[fx.Node]:
    if node.target not in _CHOOSE:
        return {node}
    inputs = node.args[0] if isinstance(node.args[0], list | tuple) else [node.args[0]]
    return {source for each in inputs for source in _sources(each)}


def steps(low: float, high: float) -> tuple[float, int]:
    """Returns the scale and the zero point that put a range on 0..255."""
    scale = (high - low) / 255
    return scale, round(-low / scale)


def _round(node: fx.Node, low: float, high: float) -> None:
    with node.graph.inserting_after(node):
        arguments = (node, *steps(low, high), 0, 255)
        rounded = node.graph.call_function(_aten.fake_quantize_per_tensor_affine.default, arguments)
    rounded.meta.update(node.meta)
    node.replace_all_uses_with(rounded, lambda user: user is not rounded)
