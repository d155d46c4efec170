"""The heads of Mask R-CNN: class, box and mask of each RoI. Parameter names are torchvision's."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models.fpn import conv

BOX_BINS, MASK_BINS = 7, 14
"""Bins of the RoIs that the box head and the mask head take; the mask has twice the resolution."""
DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
"""Weights of the box deltas, see `seg_ros.models.boxes.encode`."""


class BoxHead(nn.Sequential):
    """The paper's two fully connected layers."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc6 = nn.Linear(channels * BOX_BINS**2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(1)))))


class BoxPredictor(nn.Module):
    """Class logits (background first) and box deltas of every class."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(hidden, classes)
        self.bbox_pred = nn.Linear(hidden, 4 * classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x), self.bbox_pred(x).unflatten(1, (-1, 4))


class MaskPredictor(nn.Sequential):
    """Mask logits of every class, at twice the resolution of the RoI."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.mask_fcn_logits = nn.Conv2d(channels, classes, 1)


class RoIHeads(nn.Module):
    """Box head and mask head.

    Args:
        classes: number of classes, the background among them, as class 0.
        channels: of the pyramid, and of the mask head.
        hidden: width of the box head's fully connected layers.
        norm: batch normalisation after each convolution, and four convolutions in the box head.
    """

    def __init__(self, classes: int, channels: int, hidden: int, norm: bool) -> None:
        super().__init__()
        self.classes = classes
        if norm:
            convs = [conv(channels, channels, 3, norm) for _ in range(4)]
            flat = nn.Linear(channels * BOX_BINS**2, hidden)
            self.box_head = nn.Sequential(*convs, nn.Flatten(), flat, nn.ReLU(inplace=True))
        else:
            self.box_head = BoxHead(channels, hidden)
        self.box_predictor = BoxPredictor(hidden, classes)
        self.mask_head = nn.Sequential(*(conv(channels, channels, 3, norm) for _ in range(4)))
        self.mask_predictor = MaskPredictor(channels, classes)
        for module in (self.mask_head, self.mask_predictor):
            for layer in module.modules():
                if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)

    def classify(self, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Maps the features of RoIs `(M, C, 7, 7)` to class logits `(M, K)` and box deltas `(M, K, 4)`, K classes."""
        return self.box_predictor(self.box_head(rois))

    def masks(self, rois: Tensor) -> Tensor:
        """Maps the features of RoIs `(M, C, 14, 14)` to mask logits `(M, K, 28, 28)` of K classes."""
        return self.mask_predictor(self.mask_head(rois))
