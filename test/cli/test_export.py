"""The command writes the file that was asked for, or says in one line why not."""

import pytest
import torch

from seg_ros.agreement import street_pictures
from seg_ros.cli import export as cli
from seg_ros.models.graph import make_graph
from seg_ros.weights import load_model


def test_precision_size_and_batch(small_weights, tmp_path, capsys):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    path = tmp_path / "small.onnx"
    cli.main(
        ["--weights", str(small_weights), "--output", str(path), "--precision", "fp16", "--size", "48", "32",
         "--dynamic-batch", "2"]
    )  # fmt: skip
    assert f"{path}: 0." in capsys.readouterr().out
    graph = onnx.load(path).graph
    sides = [side.dim_param or side.dim_value for side in graph.input[0].type.tensor_type.shape.dim]
    assert sides == ["batch", 48, 32, 3]
    weights = {onnx.TensorProto.DataType.Name(t.data_type) for t in graph.initializer if len(t.dims) == 4}
    assert "FLOAT16" in weights


def test_types_of_isaac_ros(small_weights, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    path = tmp_path / "small.onnx"
    cli.main(["--weights", str(small_weights), "--output", str(path), "--isaac-ros"])
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    pixels = street_pictures((1, 64, 96))
    (label,) = session.run(None, {"pixels": pixels.float().numpy()})
    assert (label.shape, label.dtype.name) == ((1, 64, 96, 1), "int32")
    model, manifest = load_model(small_weights)
    theirs, _ = make_graph(model, manifest.mean, manifest.std)(pixels)
    assert (torch.from_numpy(label[..., 0]) == theirs).float().mean() > 0.999


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "nothing.safetensors"], "export: weights 'nothing.safetensors': no such file"),
        (["--weights", "mask_rcnn_street", "--isaac-ros"], "Isaac ROS's decoder takes labels, and this network finds"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, message, tmp_path):
    with pytest.raises(SystemExit, match=message) as caught:
        cli.main([*arguments, "--output", str(tmp_path / "w.onnx")])
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [["--batch", "0"], ["--dynamic-batch", "1"], ["--size", "8", "8193"]])
def test_numbers_out_of_range(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["--weights", "unet_street", "--output", str(tmp_path / "w.onnx"), *wrong])
    assert "expected a whole number from " in capsys.readouterr().err


def test_a_path_that_cannot_be_written_is_one_line(small_weights, tmp_path):
    with pytest.raises(SystemExit, match="expected a file in a folder that exists"):
        cli.main(["--weights", str(small_weights), "--output", str(tmp_path / "none" / "w.onnx")])
