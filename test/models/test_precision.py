"""What engines make of a graph before they compile it."""

import math

import pytest
import torch
from torch import nn

from seg_ros.agreement import street_pictures
from seg_ros.errors import EngineError
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision, fold_batch_norm, narrow_strides
from seg_ros.weights import load_model
from test.models.test_models import CASES, make


def trained(name, arguments):
    """Untrained, but with statistics that are no identity."""
    model = make(name, arguments)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.eval()


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_folded_networks_compute_the_same(name, arguments):
    model = trained(name, arguments)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        before = model(images)
        fold_batch_norm(model)
        after = model(images)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    for output in before:
        scale = before[output].abs().max().item()
        torch.testing.assert_close(after[output], before[output], rtol=1e-3, atol=1e-4 * max(scale, 1))


def test_a_normalisation_before_its_convolution_stays():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)).eval()
    fold_batch_norm(model)
    assert [type(m) for m in model] == [nn.BatchNorm2d, nn.Conv2d, nn.ReLU, nn.BatchNorm2d]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(("name", "arguments"), [CASES[1], CASES[2], CASES[-2]])
def test_half_precision_is_of_weights_and_features_only(name, arguments, precision):
    graph = make_graph(trained(name, arguments), (0.5,) * 3, (0.25,) * 3, range(5))
    half = at_precision(graph, precision)
    assert {p.dtype for p in graph.parameters()} == {torch.float32}  # the original is left alone
    assert {p.element_size() for p in half.parameters()} == {2}
    assert half.normalise.scale.dtype == torch.float32
    pixels = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        assert [t.dtype for t in half(pixels)] == [t.dtype for t in graph(pixels)]


@pytest.mark.parametrize(
    ("precision", "number"), [("fp32", math.nan), ("bf16", math.inf), ("fp16", -math.inf), ("fp16", 1e5)]
)
def test_weights_that_are_not_finite_are_refused(precision, number):
    graph = make_graph(trained(*CASES[0]), (0.5,) * 3, (0.25,) * 3, ())
    with torch.no_grad():
        list(graph.model.parameters())[-1][0] = number
    with pytest.raises(EngineError, match=f"precision '{precision}': expected finite weights, got NaN or Inf in") as e:
        at_precision(graph, precision)
    assert e.value.reason == "not_finite"
    if math.isfinite(number):
        at_precision(graph, "fp32")


@torch.no_grad()
def test_a_portable_graph_gives_the_same_labels_of_a_street():
    model, manifest = load_model("unet_street")
    graph = make_graph(model, manifest.mean, manifest.std)
    pixels = street_pictures((1, *manifest.input_size))
    label, confidence = at_precision(graph, "fp32", portable=True)(pixels)
    theirs, confidences = at_precision(graph, "fp32")(pixels)
    assert (label == theirs).float().mean() > 0.9999
    assert (confidence.int() - confidences.int()).abs().max() <= 1
    assert not at_precision(graph, "fp32").portable  # neither is the original changed


def test_coordinates_keep_their_digits_in_half_precision():
    graph = make_graph(trained("mask_rcnn", dict(CASES[-2][1])), (0.5,) * 3, (0.25,) * 3, range(5))
    pixels = torch.randint(0, 256, (1, 64, 250, 3), dtype=torch.uint8)
    with torch.no_grad():
        boxes = at_precision(graph, "bf16")(pixels)[0]
    assert not torch.equal(boxes, boxes.bfloat16().float())  # bfloat16 knows only even numbers above 256


def test_convolutions_that_bfloat16_spoils_on_the_cpu_are_found():
    assert narrow_strides(nn.Conv2d(8, 16, 1, stride=2))
    assert not narrow_strides(
        nn.Sequential(nn.Conv2d(16, 16, 1, stride=2), nn.Conv2d(3, 8, 3, stride=2), nn.Conv2d(3, 8, 1))
    )
