"""Feature pyramid: every level has the features of those of lower resolution added to its own.

Lin, Dollar, Girshick, He, Hariharan, Belongie: Feature Pyramid Networks for Object Detection, CVPR 2017.
Parameter names are torchvision's.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FPN(nn.Module):
    """Lateral 1x1 convolutions, summed from the lowest resolution up, smoothed by 3x3 convolutions.

    One more level, of half the last one's resolution, is made by striding.

    Args:
        in_channels: of the backbone's feature maps, highest resolution first.
        channels: of every level of the pyramid.
        norm: batch normalisation after each convolution.
    """

    def __init__(self, in_channels: list[int], channels: int, norm: bool) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(conv(c, channels, 1, norm, relu=False) for c in in_channels)
        self.layer_blocks = nn.ModuleList(conv(channels, channels, 3, norm, relu=False) for _ in in_channels)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Maps feature maps, highest resolution first, to as many pyramid levels and, last, one of half the size."""
        total, levels = None, []
        for feature, inner, layer in reversed(list(zip(features, self.inner_blocks, self.layer_blocks, strict=True))):
            lateral = inner(feature)
            total = lateral if total is None else lateral + F.interpolate(total, size=lateral.shape[-2:])
            levels.insert(0, layer(total))
        return [*levels, levels[-1][..., ::2, ::2]]


def conv(in_channels: int, channels: int, kernel: int, norm: bool, relu: bool = True) -> nn.Sequential:
    """Builds a convolution that keeps the size; batch normalisation instead of a bias if `norm`, and ReLU if `relu`."""
    layers = [nn.Conv2d(in_channels, channels, kernel, padding=kernel // 2, bias=not norm)]
    if norm:
        layers.append(nn.BatchNorm2d(channels))
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
