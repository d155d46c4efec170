"""Rounding to INT8: which numbers are left of weights and features, and where in the graph they are rounded."""

import pytest
import torch
from torch import nn

from seg_ros.errors import EngineError
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision
from seg_ros.models.quantised import LAYERS, layers, round_features, round_weights
from seg_ros.models.rpn import RPNHead
from test.models.test_models import make

ROUND = torch.ops.aten.fake_quantize_per_tensor_affine.default


@pytest.mark.parametrize("layer", [nn.Conv2d(6, 4, 3), nn.ConvTranspose2d(6, 4, 2), nn.Linear(6, 4)])
def test_weights_are_whole_multiples_of_a_scale_of_their_output_channel(layer):
    nn.init.normal_(layer.weight)
    model, before = nn.Sequential(layer), layer.weight.detach().clone()
    round_weights(model, {"0": (0.0, 1.0)})
    after = model[0].weight.detach()
    if isinstance(layer, nn.ConvTranspose2d):
        before, after = before.transpose(0, 1), after.transpose(0, 1)
    for one, rounded in zip(before, after, strict=True):
        scale = one.abs().max() / 63
        torch.testing.assert_close(rounded / scale, (one / scale).round(), rtol=0, atol=1e-4)
        assert not torch.equal(one, rounded)


def graph(name, arguments, ranges=None):
    return make_graph(make(name, arguments).eval(), (0.5,) * 3, (0.25,) * 3, range(5), ranges)


def exported(graph):
    with torch.no_grad():
        return torch.export.export(graph, (torch.zeros(1, 64, 96, 3, dtype=torch.uint8),))


def test_every_layer_is_found_by_its_name_however_often_it_runs():
    subject = at_precision(graph("unet", {"width": 4, "depth": 2}), "fp32")
    names = [name for name, module in subject.model.named_modules() if isinstance(module, LAYERS)]
    assert [name for name, _ in layers(exported(subject))] == names
    twice = torch.export.export(RPNHead(4, 1), ([torch.zeros(1, 4, 8, 8), torch.zeros(1, 4, 4, 4)],))
    assert [name for name, _ in layers(twice)] == ["conv.0.0", "cls_logits", "bbox_pred"] * 2


def test_features_are_rounded_once_where_they_are_made_and_alike_where_they_meet():
    names = ["encoder.down.0.0", "encoder.down.1.0", "encoder.down.2.0", "up.1.up", "up.1.conv.0"]
    ranges = {name: (-float(i), 10.0) for i, name in enumerate(names)}
    subject = at_precision(graph("unet", {"width": 4, "depth": 2, "stem": True}, ranges), "int8")
    program = exported(subject)
    round_features(program, subject.ranges)
    rounded = {node.args[0].name: node.args[1:] for node in program.graph.nodes if node.target is ROUND}
    assert len(rounded) == 5  # stem; down.0, pooled and concatenated; down.1, pooled; up.0; what up.1.up makes
    found = {name: node for name, node in layers(program) if name in ranges}
    pooled = found["encoder.down.1.0"].args[0]
    skip, up = found["up.1.conv.0"].args[0].args[0]
    assert pooled.target is torch.ops.aten.max_pool2d.default
    assert pooled.args[0] is skip  # one tensor, for both
    assert skip.target is up.target is ROUND
    assert skip.args[1:] == up.args[1:] == (14.0 / 255, round(4.0 / (14.0 / 255)), 0, 255)  # the wider range
    with torch.no_grad():
        label, confidence = program.module()(torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
    assert label.shape == confidence.shape == (1, 64, 96)


def test_ranges_change_nothing_in_float():
    ranges = {"encoder.down.0.0": (0.0, 1e-3)}
    pixels = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    arguments = {"width": 4, "depth": 2, "stem": True}
    with torch.no_grad():
        without, beside = (at_precision(graph("unet", arguments, r), "fp32") for r in (None, ranges))
        assert all(torch.equal(a, b) for a, b in zip(without(pixels), beside(pixels), strict=True))
        assert not torch.equal(at_precision(graph("unet", arguments, ranges), "int8")(pixels)[1], beside(pixels)[1])
    assert not beside.ranges


def test_without_ranges_there_is_no_int8():
    with pytest.raises(EngineError, match="these have none; use 'fp32', or make them once: ros2 run seg_ros quantize"):
        at_precision(graph("unet", {"width": 4, "depth": 2}), "int8")
