"""Published weights become ours: the same numbers come out of both networks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seg_ros import weights
from seg_ros.classes import ClassMap
from seg_ros.cli import convert as cli
from seg_ros.convert import _MASKS, VOC_NAMES, convert
from seg_ros.errors import WeightsError
from seg_ros.models import MODELS
from seg_ros.models.fcn import TorchvisionFCN
from seg_ros.models.mask_rcnn import mask_rcnn
from test.test_convert_mask_rcnn import published_layout


def block(names, in_channels, out_channels):
    """conv, norm, relu, conv, norm, relu under the given four names."""
    layers = [
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels),
    ]  # fmt: skip
    for layer in layers[1::2]:
        nn.init.uniform_(layer.weight, 0.5, 1.5)
        nn.init.uniform_(layer.bias, -0.2, 0.2)
        layer.running_mean.uniform_(-0.2, 0.2)
        layer.running_var.uniform_(0.5, 1.5)
    return nn.ModuleDict(dict(zip(names, layers, strict=True))), layers


class Reference(nn.Module):
    """A U-Net written out as the two published ones are: same order of operations, their parameter names."""

    def __init__(self, style, width=4, classes=2):
        super().__init__()
        self.style = style
        channels = [width * 2**i for i in range(5)]
        self.named, self.down, self.up = nn.ModuleDict(), [], []
        for i, c in enumerate(channels):
            self.down.append(self._block(f"down{i}", 3 if i == 0 else channels[i - 1], c))
        for i in (3, 2, 1, 0):
            up = nn.ConvTranspose2d(channels[i + 1], channels[i], 2, stride=2)
            self.named[f"upconv{i}"] = up
            self.up.append((up, self._block(f"up{i}", channels[i + 1], channels[i])))
        self.head = nn.Conv2d(width, classes, 1)

    def _block(self, name, in_channels, out_channels):
        modules, layers = block(["conv1", "norm1", "conv2", "norm2"], in_channels, out_channels)
        self.named[name] = modules
        return lambda x: F.relu(layers[3](layers[2](F.relu(layers[1](layers[0](x))))))

    def forward(self, x):
        skips = []
        for i, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        for (up, conv), skip in zip(self.up, skips[-2::-1], strict=True):
            pair = (skip, up(x)) if self.style == "milesial" else (up(x), skip)
            x = conv(torch.cat(pair, dim=1))
        return self.head(x)

    def published(self):
        """The state dict under the published names."""
        state = {}
        for name, module in self.named.items():
            level = int(name[-1])
            for key, tensor in module.state_dict().items():
                state[self._name(name, level, key)] = tensor
        head = "outc.conv" if self.style == "milesial" else "conv"
        return state | {f"{head}.{k}": t for k, t in self.head.state_dict().items()}

    def _name(self, name, level, key):
        layer, _, rest = key.partition(".")
        if self.style == "milesial":
            index = {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}.get(layer)
            if name.startswith("upconv"):
                return f"up{4 - level}.up.{key}"
            if name.startswith("up"):
                return f"up{4 - level}.conv.double_conv.{index}.{rest}"
            return (
                f"inc.double_conv.{index}.{rest}"
                if level == 0
                else (f"down{level}.maxpool_conv.1.double_conv.{index}.{rest}")
            )
        if name.startswith("upconv"):
            return f"upconv{level + 1}.{key}"
        if name.startswith("up"):
            return f"decoder{level + 1}.dec{level + 1}{layer}.{rest}"
        return (
            f"bottleneck.bottleneck{layer}.{rest}" if level == 4 else f"encoder{level + 1}.enc{level + 1}{layer}.{rest}"
        )


@pytest.mark.parametrize("style", ["milesial", "mateuszbuda"])
def test_published_unets(style, tmp_path):
    torch.manual_seed(0)
    reference = Reference(style).eval()
    torch.save(reference.published(), tmp_path / "their.pth")
    cli.main([str(tmp_path / "their.pth"), "--output", str(tmp_path / "ours.safetensors")])
    model, manifest = weights.load_model(tmp_path / "ours.safetensors")
    assert manifest.architecture == "unet"
    assert manifest.arguments == {"width": 4, "depth": 4, "classes": 2}
    images = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(model(images)["out"], reference(images), rtol=1e-4, atol=1e-4)


def test_one_sigmoid_becomes_two_classes():
    reference = Reference("mateuszbuda", classes=1).eval()
    manifest, tensors = convert(reference.published())
    model = MODELS["unet"].build(**manifest.arguments).eval()
    model.load_state_dict(tensors)
    images = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        probability = model(images)["out"].softmax(1)[:, 1:]
        torch.testing.assert_close(probability, reference(images).sigmoid(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("aux", [True, False])
def test_torchvision_file(tmp_path, aux):
    torch.manual_seed(0)
    theirs = TorchvisionFCN(21, 50, aux)
    torch.save(theirs.state_dict(), tmp_path / "fcn.pth")
    cli.main([str(tmp_path / "fcn.pth"), "--output", str(tmp_path / "fcn.safetensors"), "--half"])
    model, manifest = weights.load_model(tmp_path / "fcn.safetensors")
    assert manifest.classes.names == VOC_NAMES
    assert manifest.mean == (0.485, 0.456, 0.406)
    assert manifest.arguments == {"depth": 50, "aux": aux, "classes": 21}
    assert model.state_dict().keys() == theirs.state_dict().keys()


def test_what_is_unknown_is_named(tmp_path):
    with pytest.raises(WeightsError, match="got tensors a, b"):
        convert({"a": torch.zeros(1), "b": torch.zeros(1)})
    with pytest.raises(WeightsError, match="a class map of 2 classes, got 1"):
        convert(Reference("milesial").published(), ClassMap(("road",), ((1, 2, 3),)))
    state = Reference("milesial").published() | {"attention.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"'attention.weight' has no place"):
        convert(state)


@pytest.fixture(scope="module")
def published():
    """A state of every layout."""
    with torch.device("meta"):
        return {
            "fcn": TorchvisionFCN(21).state_dict(),
            "mask_rcnn": published_layout(mask_rcnn(90).state_dict()),
            "milesial": Reference("milesial").published(),
            "mateuszbuda": Reference("mateuszbuda", classes=1).published(),
        }


@pytest.mark.parametrize("layout", ["fcn", "mask_rcnn", "milesial", "mateuszbuda"])
def test_a_missing_or_misshapen_tensor_is_named(published, layout):
    state = published[layout]
    convert(state)
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    for name in [*names[:: len(names) // 4], names[-2], *(n for n in names if n == _MASKS)]:
        lacking = {n: t for n, t in state.items() if n != name}
        shapes = (torch.zeros((), device="meta"), torch.zeros(7, 1, 1, 1, 1, device="meta"))
        for odd in (lacking, *(state | {name: t} for t in shapes)):
            with pytest.raises(WeightsError, match=r"tensor|got tensors|trained with bilinear"):
                convert(odd)
