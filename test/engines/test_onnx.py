"""What is written as ONNX computes in ONNX Runtime what the network computes in PyTorch."""

import sys

import pytest
import torch

from seg_ros.agreement import street_pictures
from seg_ros.engines.onnx import BATCH, INPUT, OUTPUTS, to_onnx
from seg_ros.errors import EngineError
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision
from seg_ros.weights import load_model

SIZE = (176, 256)  # no multiple of 32, which the networks pad to


def graph_of(weights):
    model, manifest = load_model(weights)
    return make_graph(model, manifest.mean, manifest.std, sorted(manifest.classes.things))


def session(proto):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    return runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])


def written(graph, precision, pixels, dynamic=False):
    """The graph in ONNX Runtime: maps pixels to its outputs by name."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    opened = session(to_onnx(at_precision(graph, precision, portable=True), pixels, dynamic))
    assert [value.name for value in opened.get_outputs()] == list(OUTPUTS[graph.task])
    (taken,) = opened.get_inputs()
    assert (taken.name, taken.type) == (INPUT, "tensor(uint8)")
    assert taken.shape == [BATCH if dynamic else len(pixels), *pixels.shape[1:]]
    return lambda pixels: [torch.from_numpy(output) for output in opened.run(None, {INPUT: pixels.numpy()})]


@pytest.mark.parametrize(
    ("name", "precision", "least"),
    [
        ("unet_street", "fp32", 0.9999),
        ("fcn_camvid", "fp32", 0.9999),
        ("unet_street", "fp16", 0.99),
    ],
)
@torch.no_grad()
def test_labels_of_the_shipped_networks(name, precision, least):
    graph, pixels = graph_of(name), street_pictures((1, *SIZE))
    label, confidence = written(graph, precision, pixels)(pixels)
    theirs, confidences = graph(pixels)
    assert (label.dtype, confidence.dtype, label.shape) == (torch.uint8, torch.uint8, (1, *SIZE))
    same = label == theirs
    assert same.float().mean() >= least
    assert len(theirs.unique()) > 3  # a street, not one surface
    assert (confidence.int() - confidences.int())[same].abs().float().mean() < 0.5


@torch.no_grad()
def test_instances_of_the_shipped_network():
    graph, pixels = graph_of("mask_rcnn_street"), street_pictures((2, *SIZE))
    boxes, scores, class_ids, masks = written(graph, "fp32", pixels)(pixels)
    their_boxes, their_scores, their_ids, their_masks = graph(pixels)
    found = their_scores > 0
    assert (their_scores > 0.5).any(dim=1).all()
    torch.testing.assert_close(scores, their_scores, rtol=0, atol=1e-3)
    assert torch.equal(class_ids, their_ids)
    torch.testing.assert_close(boxes[found], their_boxes[found], rtol=0, atol=0.05)
    torch.testing.assert_close(masks[found], their_masks[found], rtol=0, atol=0.02)


@torch.no_grad()
def test_labels_of_any_number_of_pictures(small_weights):
    graph, pixels = graph_of(small_weights), street_pictures((3, 64, 96))
    run = written(graph, "fp32", pixels, dynamic=True)
    for taken in (pixels, pixels[:1]):
        assert (run(taken)[0] == graph(taken)[0]).float().mean() > 0.999


@torch.no_grad()
def test_pixels_of_nan_are_unlabelled(small_weights):
    graph = graph_of(small_weights)
    graph.normalise.scale[:] = float("nan")
    label, confidence = written(graph, "fp32", torch.zeros(1, 64, 96, 3, dtype=torch.uint8))(
        street_pictures((1, 64, 96))
    )
    assert (label == 255).all()
    assert (confidence == 0).all()


class Bessel(torch.nn.Module):
    task = "semantic"

    def forward(self, pixels):
        return (torch.special.bessel_j0(pixels.float()),) * 2


def test_an_operator_that_onnx_lacks_is_named_in_one_line():
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    with pytest.raises(EngineError, match=r"this graph cannot be written as ONNX: .*bessel_j0") as caught:
        to_onnx(Bessel(), torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    assert "\n" not in str(caught.value)


def test_a_missing_package_says_what_to_install(small_weights, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    graph = at_precision(graph_of(small_weights), "fp32", portable=True)
    with pytest.raises(EngineError, match=r"pip install -r requirements/onnx\.txt"):
        to_onnx(graph, torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
