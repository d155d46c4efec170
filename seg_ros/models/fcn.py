"""Fully convolutional networks.

Long, Shelhamer, Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models import SEMANTIC
from seg_ros.models.arguments import CLASSES, within
from seg_ros.models.efficientnet_lite import EfficientNetLite
from seg_ros.models.resnet import ResNet


class FCN(nn.Module):
    """Score layers at several strides of an encoder, upsampled bilinearly and summed, from the largest stride down.

    `finest` 32, 16 and 8 are the paper's FCN-32s, FCN-16s and FCN-8s; 4 goes one skip further, for thin objects
    on roads.

    Args:
        backbone: maps images to features, highest resolution first, and has the attributes `channels` and `strides`
            of these: a `ResNet` or an `EfficientNetLite`.
        classes: number of classes C.
        finest: smallest stride that has a score layer, one of the backbone's.

    Raises:
        ValueError: for a stride that the backbone does not have, or less than one class.
    """

    task = SEMANTIC

    def __init__(self, backbone: nn.Module, classes: int, finest: int = 8) -> None:
        super().__init__()
        if finest not in backbone.strides:
            raise ValueError(f"finest, the smallest stride, must be one of {backbone.strides}, got {finest}")
        within(1, CLASSES, classes=classes)
        self.backbone = backbone
        self.skip = backbone.strides.index(finest)
        self.scores = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in backbone.channels[self.skip :])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps images `(N, 3, H, W)` float, normalised, to `{"out": logits (N, C, H, W)}`."""
        height, width = images.shape[-2:]
        return {"out": _upsample(*self.logits(images))[..., :height, :width]}

    def logits(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Returns logits before upsampling, `(N, C, h, w)`, and the `(H, W)` that they cover from the top left."""
        height, width = images.shape[-2:]
        # Else the features of different strides would cover different parts of the picture, and not lie on each other.
        stride = self.backbone.strides[-1]
        images = F.pad(images, (0, -width % stride, 0, -height % stride))
        features = self.backbone(images)[self.skip :]
        fused = None
        for score, feature in zip(reversed(self.scores), reversed(features), strict=True):
            logits = score(feature)
            fused = logits if fused is None else logits + _upsample(fused, tuple(logits.shape[-2:]))
        return fused, tuple(images.shape[-2:])


def fcn(classes: int, depth: int = 18, width: float = 1.0, finest: int = 8) -> FCN:
    """Builds an FCN over a ResNet.

    Args:
        classes: number of classes.
        depth: of the ResNet: 18, 34, 50 or 101.
        width: channel multiplier of the ResNet.
        finest: smallest stride that has a score layer: 4, 8, 16 or 32.

    Raises:
        ValueError: for another stride, or depth and width that a `ResNet` does not take, or less than one class.
    """
    return FCN(ResNet(depth, width), classes, finest)


def fcn_efficientnet(classes: int, variant: int = 0, finest: int = 2) -> FCN:
    """Builds an FCN over an EfficientNet-Lite, whose last and widest stage it leaves out: a fifth of the weights.

    Args:
        classes: number of classes.
        variant: of the EfficientNet-Lite, 0 to 4.
        finest: smallest stride that has a score layer: 2, 4, 8, 16 or 32.

    Raises:
        ValueError: for another variant or stride, or less than one class.
    """
    return FCN(EfficientNetLite(variant, stages=6), classes, finest)


class TorchvisionFCN(nn.Module):
    """torchvision's `fcn_resnet50` and `fcn_resnet101`, parameter name by parameter name.

    One head on the last layer of a dilated ResNet (stride 8), and an auxiliary head on the layer before, which
    only training uses.

    Args:
        classes: number of classes C.
        depth: 50 or 101.
        aux: whether there is an auxiliary head; published weights have one.

    Raises:
        ValueError: for another depth, or less than one class.
    """

    task = SEMANTIC

    def __init__(self, classes: int, depth: int = 50, aux: bool = True) -> None:
        super().__init__()
        within(1, CLASSES, classes=classes)
        self.backbone = ResNet(depth, dilated=True)
        self.classifier = _head(self.backbone.channels[3], classes)
        self.aux_classifier = _head(self.backbone.channels[2], classes) if aux else None

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Maps images `(N, 3, H, W)` float, normalised, to logits `out`, in training also `aux`: `(N, C, H, W)`."""
        size = tuple(images.shape[-2:])
        features = self.backbone(images)
        result = {"out": _upsample(self.classifier(features[3]), size)}
        if self.training and self.aux_classifier is not None:
            result["aux"] = _upsample(self.aux_classifier(features[2]), size)
        return result

    def logits(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Returns logits before upsampling, `(N, C, h, w)`, and the `(H, W)` that they cover."""
        return self.classifier(self.backbone(images)[3]), tuple(images.shape[-2:])


def _head(in_channels: int, classes: int) -> nn.Sequential:
    channels = in_channels // 4
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Dropout(0.1),
        nn.Conv2d(channels, classes, 1),
    )


def _upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
