"""What every network promises, for every row of the table; and what is U-Net's own."""

import pytest
import torch

from seg_ros.models import MODELS
from seg_ros.models.graph import SemanticGraph
from seg_ros.models.unet import UNet

ARGUMENTS = {
    "unet": [{"width": 4, "depth": 2}, {"width": 4, "depth": 3, "stem": True}],
    "fcn": [{"width": 0.1, "finest": 4}, {"width": 0.1, "depth": 50, "finest": 32}, {"width": 0.1, "depth": 34}],
    "fcn_torchvision": [{"depth": 50}],
}
CASES = [(name, arguments) for name, variants in ARGUMENTS.items() for arguments in variants]


def test_every_model_is_tested():
    assert ARGUMENTS.keys() == MODELS.keys()


@pytest.mark.parametrize(("name", "arguments"), CASES)
@pytest.mark.parametrize("size", [(64, 96), (61, 93), (16, 16), (33, 250)])
def test_logits_come_out_at_the_size_of_the_input(name, arguments, size):
    model = MODELS[name](classes=5, **arguments).eval()
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))["out"]
    assert logits.shape == (2, 5, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_parameter_gets_a_gradient(name, arguments):
    model = MODELS[name](classes=5, **arguments)
    outputs = model(torch.randn(2, 3, 64, 64))
    sum(logits.square().mean() for logits in outputs.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_pixels_of_one_picture_do_not_depend_on_the_others(name, arguments):
    model = MODELS[name](classes=5, **arguments).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(images)["out"][1:], model(images[1:])["out"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_exports_as_one_graph(name, arguments):
    graph = SemanticGraph(MODELS[name](classes=5, **arguments), (0.5,) * 3, (0.25,) * 3).eval()
    pixels = torch.randint(0, 256, (1, 61, 93, 3), dtype=torch.uint8)
    with torch.no_grad():
        exported = torch.export.export(graph, (pixels,)).module()
        for ours, theirs in zip(graph(pixels), exported(pixels), strict=True):
            torch.testing.assert_close(ours, theirs)


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


class Fixed(torch.nn.Module):
    """Logits of a shape, whatever comes."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, images):
        self.images = images
        return {"out": self.logits}


def test_graph_normalises_as_the_manifest_says():
    model = Fixed(torch.zeros(1, 2, 4, 4))
    pixels = torch.full((1, 4, 4, 3), 51, dtype=torch.uint8)  # 51 / 255 = 0.2
    SemanticGraph(model, (0.1, 0.2, 0.3), (0.5, 0.25, 0.1))(pixels)
    torch.testing.assert_close(model.images[0, :, 0, 0], torch.tensor([0.2, 0.0, -1.0]), atol=1e-6, rtol=0)


def test_graph_gives_the_winner_and_its_probability():
    logits = torch.randn(1, 7, 8, 9) * 3
    label, confidence = SemanticGraph(Fixed(logits), (0.5,) * 3, (0.25,) * 3)(torch.zeros(1, 8, 9, 3))
    probability, winner = logits.softmax(1).max(1)
    assert label.dtype == confidence.dtype == torch.uint8
    assert torch.equal(label.long(), winner)
    assert (confidence.float() - probability * 255).abs().max() <= 0.5 + 1e-3


def test_graph_marks_what_is_not_finite_as_unlabelled():
    logits = torch.randn(1, 3, 2, 2)
    logits[0, 1, 0, 0] = float("nan")
    logits[0, :, 1, 1] = float("inf")
    label, confidence = SemanticGraph(Fixed(logits), (0.5,) * 3, (0.25,) * 3)(torch.zeros(1, 2, 2, 3))
    assert label[0, 0, 0] == label[0, 1, 1] == 255
    assert confidence[0, 0, 0] == confidence[0, 1, 1] == 0
    assert (label[0, 0, 1], label[0, 1, 0]) != (255, 255)
