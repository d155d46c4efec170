"""Mask R-CNN with a feature pyramid, in static shapes: fixed numbers of proposals and detections, empty slots marked.

He, Gkioxari, Dollar, Girshick: Mask R-CNN, ICCV 2017. With `norm` the heads of Li et al.: Benchmarking Detection
Transfer Learning with Vision Transformers, 2021 (torchvision's "v2"). Parameter names are torchvision's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models.boxes import clip, decode, finite, greedy_nms, take
from seg_ros.models.fpn import FPN, conv
from seg_ros.models.resnet import ResNet
from seg_ros.models.roi_align import roi_align
from seg_ros.models.rpn import RPN, large

BOX_BINS, MASK_BINS = 7, 14
"""Bins of the RoIs that the box head and the mask head look at; the mask comes out twice as fine."""
DELTA_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
_SCORE_THRESHOLD, _NMS_THRESHOLD = 0.05, 0.5
_SMALLEST = 1e-2
"""Side of a detection in pixels below which it is none."""
_STRIDE = 32


class Backbone(nn.Module):
    """ResNet and feature pyramid."""

    def __init__(self, depth: int, width: float, channels: int, norm: bool) -> None:
        super().__init__()
        self.body = ResNet(depth, width)
        self.fpn = FPN(self.body.channels, channels, norm)

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.fpn(self.body(images))


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
    """Mask logits of every class, twice as fine as the RoI."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv5_mask = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.mask_fcn_logits = nn.Conv2d(channels, classes, 1)


class RoIHeads(nn.Module):
    """What is decided for each RoI."""

    def __init__(self, things: int, channels: int, hidden: int, norm: bool) -> None:
        super().__init__()
        if norm:
            convs = [conv(channels, channels, 3, norm) for _ in range(4)]
            flat = nn.Linear(channels * BOX_BINS**2, hidden)
            self.box_head = nn.Sequential(*convs, nn.Flatten(), flat, nn.ReLU(inplace=True))
        else:
            self.box_head = BoxHead(channels, hidden)
        self.box_predictor = BoxPredictor(hidden, things + 1)
        self.mask_head = nn.Sequential(*(conv(channels, channels, 3, norm) for _ in range(4)))
        self.mask_predictor = MaskPredictor(channels, things + 1)
        for module in (self.mask_head, self.mask_predictor):
            for layer in module.modules():
                if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)


class MaskRCNN(nn.Module):
    """Mask R-CNN; with its defaults torchvision's `maskrcnn_resnet50_fpn`, with `norm` its `_v2`.

    Args:
        things: number of classes of objects T; the network has one more, the background, as class 0.
        depth, width: of the ResNet.
        channels: of pyramid and heads.
        hidden: width of the box head's fully connected layers.
        norm: batch normalisation in pyramid and heads, four convolutions in the box head, two in the RPN.
        anchor: side in pixels of the smallest anchor; smaller ones find smaller objects.
        proposals: number of proposals of an image, and of detections before suppression.
        detections: number of detections of an image.

    Raises:
        ValueError: if a number is below 1.
    """

    task = "instances"

    def __init__(
        self,
        things: int,
        depth: int = 50,
        width: float = 1.0,
        channels: int = 256,
        hidden: int = 1024,
        norm: bool = False,
        anchor: float = 32,
        proposals: int = 1000,
        detections: int = 100,
    ) -> None:
        super().__init__()
        numbers = {
            "things": things, "channels": channels, "hidden": hidden, "anchor": anchor, "proposals": proposals,
            "detections": detections,
        }  # fmt: skip
        for name, number in numbers.items():
            if number < 1:
                raise ValueError(f"{name} must be 1 or more, got {number}")
        self.backbone = Backbone(depth, width, channels, norm)
        self.rpn = RPN(channels, 2 if norm else 1, anchor, proposals)
        self.roi_heads = RoIHeads(things, channels, hidden, norm)
        self.canonical = 7.0 * anchor  # 224 pixels for 32: the paper's ratio
        self.things, self.detections = things, detections

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Finds objects.

        Args:
            images: `(N, 3, H, W)` float, normalised.

        Returns:
            For D detections of each image in descending score:
            `boxes` `(N, D, 4)` in pixels, `scores` `(N, D)` 0..1, `things` `(N, D)` class 1..T,
            `mask_logits` `(N, D, 28, 28)` over the box. An empty slot has score 0 and class 0; they come last.
            Where the network's numbers for an image are not finite, all its scores are -1.
        """
        size = images.shape[-2:]
        levels, padded = self.features(images)
        logits, deltas = self.rpn.head(levels)
        proposals, valid = self.rpn(logits, deltas, self.rpn.anchors(levels, padded), size)
        class_logits, box_deltas = self.classify(levels, proposals, padded)
        shape = (*proposals.shape[:2], -1)
        class_logits, box_deltas = class_logits.view(shape), box_deltas.view(*shape, 4)
        boxes, scores, things = self._detect(class_logits, box_deltas, proposals, valid, size)
        mask_logits = self.masks(levels, boxes, padded)
        own = take(mask_logits, things.view(-1, 1))  # of T+1 masks the one of the class
        sound = finite(proposals, class_logits, box_deltas, mask_logits.unflatten(0, things.shape))
        return {
            "boxes": boxes,
            "scores": torch.where(sound.unsqueeze(1), scores, -1.0),
            "things": things,
            "mask_logits": own.view(*things.shape, *own.shape[-2:]),
        }

    def features(self, images: Tensor) -> tuple[list[Tensor], tuple[int, int]]:
        """The pyramid's five levels, and the `(height, width)` that they cover: whole multiples of 32."""
        height, width = images.shape[-2:]
        images = F.pad(images, (0, -width % _STRIDE, 0, -height % _STRIDE))
        return self.backbone(images), tuple(images.shape[-2:])

    def classify(self, levels: list[Tensor], boxes: Tensor, padded: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Class logits `(N*R, T+1)` and box deltas `(N*R, T+1, 4)` of RoIs `(N, R, 4)`."""
        rois = roi_align(levels[:4], boxes, padded, BOX_BINS, self.canonical)
        logits, deltas = self.roi_heads.box_predictor(self.roi_heads.box_head(rois))
        return logits.float(), deltas.float()  # what is a coordinate or a score is float32 in every precision

    def masks(self, levels: list[Tensor], boxes: Tensor, padded: tuple[int, int]) -> Tensor:
        """Mask logits `(N*R, T+1, 28, 28)` of RoIs `(N, R, 4)`."""
        rois = roi_align(levels[:4], boxes, padded, MASK_BINS, self.canonical)
        return self.roi_heads.mask_predictor(self.roi_heads.mask_head(rois))

    def _detect(
        self, class_logits: Tensor, deltas: Tensor, proposals: Tensor, valid: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes `(N, D, 4)`, scores `(N, D)` and classes `(N, D)` of the best detections.

        Only the best `proposals` pairs of RoI and class go into suppression. Where they hold D detections, or all
        pairs above the score threshold, that changes nothing.
        """
        scores = class_logits.softmax(-1)[..., 1:]  # (N, P, T)
        boxes = clip(decode(deltas[..., 1:, :], proposals.unsqueeze(2), DELTA_WEIGHTS), size)
        things = scores.shape[-1]
        found = (scores > _SCORE_THRESHOLD) & valid.unsqueeze(-1) & large(boxes, _SMALLEST)
        pairs = torch.where(found, scores, 0.0).flatten(1)
        candidates = min(self.rpn.proposals, pairs.shape[1])
        score, index = pairs.topk(candidates)
        box = take(boxes.flatten(1, 2), index)
        thing = torch.remainder(index, things) + 1
        keep = greedy_nms(box, score > 0.0, _NMS_THRESHOLD, thing)
        best, order = torch.where(keep, score, 0.0).topk(min(self.detections, candidates))
        thing = torch.where(best > 0.0, take(thing, order), 0)
        return take(box, order), best, thing


def mask_rcnn(**arguments: object) -> MaskRCNN:
    """Mask R-CNN over a ResNet, by the numbers of a weights manifest."""
    return MaskRCNN(**arguments)
