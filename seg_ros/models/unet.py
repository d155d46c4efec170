"""U-Net: an encoder, and a decoder that doubles the resolution step by step and concatenates the encoder's features.

Ronneberger, Fischer, Brox: U-Net, Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.
Two changes that every later implementation makes: convolutions are padded, so that logits come out at the
size of the input, and each is followed by batch normalisation (Ioffe, Szegedy, 2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models import SEMANTIC
from seg_ros.models.arguments import CLASSES, within
from seg_ros.models.efficientnet_lite import EfficientNetLite
from seg_ros.models.resnet import ResNet


class ConvBlock(nn.Sequential):
    """Two 3x3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class UpBlock(nn.Module):
    """Doubles the resolution, concatenates the encoder's features of that resolution, convolves."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.conv = ConvBlock(skip_channels + out_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat((skip, self.up(x)), dim=1))


class Encoder(nn.Module):
    """The contracting path of the paper: pairs of convolutions with poolings between them.

    Args:
        width: channels of the first level; each of the `depth` levels below has twice as many.
        depth: number of poolings.
        stem: halves the resolution with one strided convolution first.

    Attributes:
        channels, strides: of the features, highest resolution first.
    """

    def __init__(self, width: int, depth: int, stem: bool) -> None:
        super().__init__()
        self.channels = [width * 2**level for level in range(depth + 1)]
        self.strides = [2 ** (level + stem) for level in range(depth + 1)]
        self.stem = (
            nn.Sequential(
                nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            if stem
            else None
        )
        inputs = [width if stem else 3, *self.channels]
        self.down = nn.ModuleList(ConvBlock(i, o) for i, o in zip(inputs, self.channels, strict=False))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps normalised images `(N, 3, H, W)`, whole multiples of the last stride, to features."""
        x = images if self.stem is None else self.stem(images)
        features = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            features.append(x)
        return features


class UNet(nn.Module):
    """U-Net around an encoder, for any input size.

    Args:
        encoder: maps images to features, each of half the resolution of the one before, and has the attributes
            `channels` and `strides` of these: `Encoder`, `EfficientNetLite`, or a `ResNet` with `stem=True`.
        classes: number of classes C.
        channels: of the decoder's blocks, highest resolution first; None takes the encoder's.

    Raises:
        ValueError: if `classes` is not in 1..255.
    """

    task = SEMANTIC

    def __init__(self, encoder: nn.Module, classes: int, channels: Sequence[int] | None = None) -> None:
        super().__init__()
        within(1, CLASSES, classes=classes)
        self.encoder = encoder
        *skips, last = encoder.channels
        outputs = [*(channels or skips), last]
        self.up = nn.ModuleList(
            UpBlock(outputs[level + 1], skips[level], outputs[level]) for level in reversed(range(len(skips)))
        )
        self.head = nn.Conv2d(outputs[0], classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps images `(N, 3, H, W)` float, normalised, to `{"out": logits (N, C, H, W)}`."""
        logits, size = self.logits(images)
        if tuple(logits.shape[-2:]) != size:
            logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        height, width = images.shape[-2:]
        return {"out": logits[..., :height, :width]}

    def logits(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Returns logits before upsampling, `(N, C, h, w)`, and the `(H, W)` that they cover from the top left."""
        height, width = images.shape[-2:]
        # Pad below and to the right so that every step halves exactly; the logits are cut back at the end.
        stride = self.encoder.strides[-1]
        x = F.pad(images, (0, -width % stride, 0, -height % stride)).to(self.head.weight.dtype)
        size = tuple(x.shape[-2:])
        *skips, x = self.encoder(x)
        for block in self.up:
            x = block(x, skips.pop())
        return self.head(x), size


def unet(classes: int, width: int = 64, depth: int = 4, stem: bool = False) -> UNet:
    """Builds the U-Net of the paper.

    Args:
        classes: number of classes.
        width: channels of the first level; each of the `depth` levels below has twice as many (64 in the paper).
        depth: number of poolings, and of upsamplings (4 in the paper).
        stem: True halves the resolution with one strided convolution first and doubles the logits bilinearly
            at the end: a quarter of the work, for real time on small machines.

    Raises:
        ValueError: if `width` is not in 1..1024, `depth` not in 1..8, or `classes` not in 1..255.
    """
    within(1, 1024, width=width)
    within(1, 8, depth=depth)
    model = UNet(Encoder(width, depth, stem), classes)
    # In weights files the tensors of this encoder have no prefix: down.0.0.weight, not encoder.down.0.0.weight.
    model.register_state_dict_post_hook(_without_prefix)
    model.register_load_state_dict_pre_hook(_with_prefix)
    return model


def unet_resnet(classes: int, depth: int = 18, width: float = 1.0) -> UNet:
    """Builds a U-Net around a ResNet, whose parameters have torchvision's names below `encoder.`.

    Args:
        classes: number of classes.
        depth: of the ResNet: 18, 34, 50 or 101.
        width: multiplies the channels of every layer of the ResNet and the decoder.

    Raises:
        ValueError: for another depth or width than a `ResNet` takes, or less than one class.
    """
    encoder = ResNet(depth, width, stem=True)
    return UNet(encoder, classes, [encoder.widths[0], *encoder.widths[:3]])


def unet_efficientnet(classes: int, variant: int = 0) -> UNet:
    """Builds a U-Net around an EfficientNet-Lite: small, fast in INT8, and its encoder may know ImageNet already.

    Args:
        classes: number of classes.
        variant: of the EfficientNet-Lite, 0 to 4.

    Raises:
        ValueError: for another variant, or less than one class.
    """
    return UNet(EfficientNetLite(variant), classes, [24, 32, 48, 96])


def _without_prefix(model: UNet, state: dict[str, Tensor], prefix: str, _: dict) -> None:
    for name in [name for name in state if name.startswith(f"{prefix}encoder.")]:
        state[prefix + name.removeprefix(f"{prefix}encoder.")] = state.pop(name)


def _with_prefix(model: UNet, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    own = {f"{prefix}{name}" for name, _ in model.encoder.named_children()}
    for name in list(state):
        if ".".join(name.split(".")[: prefix.count(".") + 1]) in own:
            state[f"{prefix}encoder.{name.removeprefix(prefix)}"] = state.pop(name)
