"""ResNet encoders: feature maps at strides 4, 8, 16 and 32, and at 2 for those who ask.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016. In bottleneck blocks the 3x3
convolution has the stride, as in torchvision, whose parameter names these modules share.
"""

from __future__ import annotations

from torch import Tensor, nn

from seg_ros.models.arguments import within

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Number of residual blocks in each of the four layers, by depth."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the identity."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv3x3(in_channels, width, stride, dilation)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, 1, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions and the identity; four times as many channels come out."""

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3x3(width, width, stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """The convolutional part of a ResNet.

    Args:
        depth: 18, 34, 50 or 101.
        width: multiplies the channels of every layer (64, 128, 256, 512 at 1.0).
        dilated: the last two layers keep stride 8 and dilate their convolutions by 2 and 4 instead
            (Chen et al.: DeepLab, 2016), as torchvision's segmentation networks do.
        stem: the output of the first convolution, at stride 2, is a feature map too.

    Attributes:
        widths: channels of the four layers before a bottleneck block multiplies them.
        channels, strides: of the feature maps, highest resolution first.

    Raises:
        ValueError: for another depth, or a width outside 0.01..16.
    """

    def __init__(self, depth: int = 18, width: float = 1.0, dilated: bool = False, stem: bool = False) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"ResNet depth must be one of {sorted(BLOCKS)}, got {depth}")
        within(0.01, 16, width=width)
        block = BasicBlock if depth < 50 else Bottleneck
        self.widths = widths = [max(1, round(width * c)) for c in (64, 128, 256, 512)]
        self.conv1 = nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        in_channels, dilation = widths[0], 1
        for i, (blocks, channels) in enumerate(zip(BLOCKS[depth], widths, strict=True)):
            stride = 1 if i == 0 else 2
            # The first block of a dilated layer still has the dilation of the layer before, as in torchvision.
            first_dilation = dilation
            if dilated and i >= 2:
                stride, dilation = 1, dilation * 2
            layer = [block(in_channels, channels, stride, first_dilation)]
            in_channels = channels * block.expansion
            layer += [block(in_channels, channels, 1, dilation) for _ in range(blocks - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(*layer))
        self.stem = stem
        self.channels = widths[:1] * stem + [c * block.expansion for c in widths]
        self.strides = [2] * stem + ([4, 8, 8, 8] if dilated else [4, 8, 16, 32])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps images `(N, 3, H, W)` float, normalised, to the feature maps, highest resolution first."""
        x = self.relu(self.bn1(self.conv1(images.to(self.conv1.weight.dtype))))
        features = [x] if self.stem else []
        x = self.maxpool(x)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


def _conv3x3(in_channels: int, out_channels: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )
