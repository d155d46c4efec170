"""What every network promises, for every row of the table; and what is U-Net's own."""

import pytest
import torch

from seg_ros.models import INSTANCE_MODELS, MODELS
from seg_ros.models.graph import make_graph
from seg_ros.models.unet import UNet
from test.conftest import SMALL_INSTANCE

ARGUMENTS = {
    "unet": [{"width": 4, "depth": 2}, {"width": 4, "depth": 3, "stem": True}],
    "fcn": [{"width": 0.1, "finest": 4}, {"width": 0.1, "depth": 50, "finest": 32}, {"width": 0.1, "depth": 34}],
    "fcn_torchvision": [{"depth": 50}],
    "mask_rcnn": [SMALL_INSTANCE, SMALL_INSTANCE | {"norm": False, "anchor": 32}],
}
CASES = [(name, arguments) for name, variants in ARGUMENTS.items() for arguments in variants]
SEMANTIC = [(name, arguments) for name, arguments in CASES if name not in INSTANCE_MODELS]
SIZES = [(64, 96), (61, 93), (16, 16), (33, 250)]


def make(name, arguments):
    torch.manual_seed(0)
    return MODELS[name](**arguments | {"things" if name in INSTANCE_MODELS else "classes": 5})


def test_every_model_is_tested():
    assert ARGUMENTS.keys() == MODELS.keys()


@pytest.mark.parametrize(("name", "arguments"), SEMANTIC)
@pytest.mark.parametrize("size", SIZES)
def test_logits_come_out_at_the_size_of_the_input(name, arguments, size):
    with torch.no_grad():
        logits = make(name, arguments).eval()(torch.randn(2, 3, *size))["out"]
    assert logits.shape == (2, 5, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("arguments", ARGUMENTS["mask_rcnn"])
@pytest.mark.parametrize("size", SIZES)
def test_objects_come_out_in_fixed_slots_whatever_the_size_of_the_input(arguments, size):
    with torch.no_grad():
        found = make("mask_rcnn", arguments).eval()(torch.randn(2, 3, *size))
    shapes = {"boxes": (2, 8, 4), "scores": (2, 8), "things": (2, 8), "mask_logits": (2, 8, 28, 28)}
    assert {name: tuple(t.shape) for name, t in found.items()} == shapes
    assert all(t.isfinite().all() for t in found.values())
    assert (found["scores"] > 0).any()
    assert (found["boxes"] <= torch.tensor([*size[::-1], *size[::-1]])).all()


@pytest.mark.parametrize(("name", "arguments"), SEMANTIC)
def test_every_parameter_gets_a_gradient(name, arguments):
    model = make(name, arguments)
    outputs = model(torch.randn(2, 3, 64, 64))
    sum(logits.square().mean() for logits in outputs.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_pixels_of_one_picture_do_not_depend_on_the_others(name, arguments):
    model = make(name, arguments).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        both, one = model(images), model(images[1:])
    for output in both:
        torch.testing.assert_close(both[output][1:], one[output], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_exports_as_one_graph(name, arguments):
    graph = make_graph(make(name, arguments), (0.5,) * 3, (0.25,) * 3, range(5))
    pixels = torch.randint(0, 256, (1, 61, 93, 3), dtype=torch.uint8)
    with torch.no_grad():
        exported = torch.export.export(graph, (pixels,)).module()
        for ours, theirs in zip(graph(pixels), exported(pixels), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("number", ["things", "channels", "anchor", "proposals", "detections"])
def test_mask_rcnn_refuses_nonsense(number):
    with pytest.raises(ValueError, match=f"{number} must be 1 or more, got 0"):
        MODELS["mask_rcnn"](**{"things": 1, number: 0})


def test_unet_is_symmetric_with_concatenating_skips():
    model = UNet(classes=2, width=8, depth=3)
    assert [block[0].out_channels for block in model.down] == [8, 16, 32, 64]
    assert [(up.conv[0].in_channels, up.conv[0].out_channels) for up in model.up] == [(64, 32), (32, 16), (16, 8)]


def test_unet_has_the_channels_of_the_paper():
    model = UNet(classes=2)
    assert [block[0].out_channels for block in model.down] == [64, 128, 256, 512, 1024]


def test_unet_refuses_nonsense():
    with pytest.raises(ValueError, match="must be 1 or more"):
        UNet(classes=2, width=0)
