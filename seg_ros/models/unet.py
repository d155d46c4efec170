"""U-Net: a contracting and an expanding path that are symmetric and joined by concatenating skips.

Ronneberger, Fischer, Brox: U-Net, Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.
Two changes that every later implementation makes: convolutions are padded, so that logits come out at the
size of the input, and each is followed by batch normalisation (Ioffe, Szegedy, 2015).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
    """Doubles the resolution, concatenates the skip of that resolution, convolves."""

    def __init__(self, in_channels: int, skip_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, skip_channels, 2, stride=2)
        self.conv = ConvBlock(2 * skip_channels, skip_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.conv(torch.cat((skip, self.up(x)), dim=1))


class UNet(nn.Module):
    """U-Net for any input size.

    Args:
        classes: number of classes C.
        width: channels of the first level; each of the `depth` levels below has twice as many (64 in the paper).
        depth: number of poolings, and of upsamplings (4 in the paper).
        stem: True halves the resolution with one strided convolution first and doubles the logits bilinearly
            at the end: a quarter of the work, for real time on small machines.

    Raises:
        ValueError: if an argument is below 1.
    """

    task = "semantic"

    def __init__(self, classes: int, width: int = 64, depth: int = 4, stem: bool = False) -> None:
        super().__init__()
        if min(classes, width, depth) < 1:
            raise ValueError(f"classes, width and depth must be 1 or more, got {classes}, {width}, {depth}")
        channels = [width * 2**level for level in range(depth + 1)]
        self.stem = (
            nn.Sequential(
                nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            if stem
            else None
        )
        self.stride = 2 ** (depth + stem)
        self.down = nn.ModuleList(
            ConvBlock(width if stem else 3, c) if level == 0 else ConvBlock(channels[level - 1], c)
            for level, c in enumerate(channels)
        )
        self.up = nn.ModuleList(UpBlock(channels[level + 1], channels[level]) for level in reversed(range(depth)))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """`images`: `(N, 3, H, W)` float, normalised. Returns `{"out": logits (N, C, H, W)}`."""
        logits, size = self.coarse(images)
        if self.stem is not None:
            logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        height, width = images.shape[-2:]
        return {"out": logits[..., :height, :width]}

    def coarse(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Logits before upsampling, `(N, C, h, w)`, and the size in pixels that they cover from the top left."""
        height, width = images.shape[-2:]
        # Pad below and to the right so that every pooling halves exactly; the logits are cut back at the end.
        x = F.pad(images, (0, -width % self.stride, 0, -height % self.stride)).to(self.head.weight.dtype)
        size = tuple(x.shape[-2:])
        if self.stem is not None:
            x = self.stem(x)
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()  # the bottleneck's own output is no skip
        for block in self.up:
            x = block(x, skips.pop())
        return self.head(x), size
