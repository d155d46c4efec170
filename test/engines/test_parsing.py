"""TensorRT's own parser and builder, on machines without a GPU: TensorRT for RTX needs none."""

import pytest
import torch

from seg_ros.engines import tensorrt
from seg_ros.engines.onnx import to_onnx
from seg_ros.engines.parsing import build_plan
from seg_ros.errors import EngineError
from seg_ros.models import create
from seg_ros.models.graph import make_graph
from seg_ros.models.precision import at_precision
from seg_ros.weights import load_model


@torch.no_grad()
def built(graph, precision, shape):
    example = torch.zeros(*shape, 3, dtype=torch.uint8)
    model = to_onnx(at_precision(graph, precision, portable=True), example, dynamic=shape[0] > 1)
    return build_plan(model.SerializeToString(), shape[0])


def test_a_shipped_network_is_one_engine_of_few_layers(rtx):
    model, manifest = load_model("unet_street")
    plan, layers = built(make_graph(model, manifest.mean, manifest.std), "fp16", (4, *manifest.input_size))
    assert len(plan) > 1e6  # the weights are in it
    assert layers <= 150


def test_fcn_is_one_engine_of_any_batch(rtx):
    torch.manual_seed(0)
    graph = make_graph(create("fcn", classes=40, depth=18, width=0.125), (0.5,) * 3, (0.25,) * 3)
    plan, _ = built(graph, "fp32", (3, 64, 96))
    assert plan


def test_mask_rcnn_is_one_engine(mask_rcnn_graph, rtx):
    plan, _ = built(mask_rcnn_graph, "fp16", (1, 64, 96))
    assert plan


def node(operator, output, shape):
    helper = pytest.importorskip("onnx.helper", reason="needs onnx: requirements/onnx.txt")
    pixels = helper.make_tensor_value_info("pixels", 1, [4, 4])
    result = helper.make_tensor_value_info("result", output, shape)
    graph = helper.make_graph([helper.make_node(operator, ["pixels"], ["result"])], "one", [pixels], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        (lambda: node("Det", 1, []), "the parser of tensorrt_rtx refuses Det: "),
        (lambda: node("NonZero", 7, [2, None]), "NonZero"),  # a result of any length: no CUDA graph captures it
        (lambda: b"no ONNX", "the parser of tensorrt_rtx refuses the model: "),
    ],
)
def test_what_the_parser_does_not_take_is_named(model, refused, rtx):
    with pytest.raises(EngineError, match=refused):
        build_plan(model(), 1)


def test_without_a_gpu_a_plan_is_refused_and_not_run(rtx, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    (tmp_path / "one.plan").write_bytes(build_plan(node("Relu", 1, [4, 4]), 1)[0])
    with pytest.raises(EngineError, match=r"one\.plan does not load: tensorrt_rtx refuses it"):
        tensorrt.Plan(tmp_path / "one.plan", labels=True)
