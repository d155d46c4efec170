"""Mask R-CNN with a feature pyramid, in static shapes: fixed numbers of proposals and detections, empty slots marked.

He, Gkioxari, Dollar, Girshick: Mask R-CNN, ICCV 2017. With `norm` the heads of Li et al.: Benchmarking Detection
Transfer Learning with Vision Transformers, 2021 (torchvision's "v2"). Parameter names are torchvision's.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seg_ros.models import INSTANCES
from seg_ros.models.arguments import CLASSES, within
from seg_ros.models.boxes import clip, decode, finite, greedy_nms, take
from seg_ros.models.fpn import FPN
from seg_ros.models.resnet import ResNet
from seg_ros.models.roi_align import roi_align
from seg_ros.models.roi_heads import BOX_BINS, DELTA_WEIGHTS, MASK_BINS, RoIHeads
from seg_ros.models.rpn import RPN, large

_SMALLEST = 1e-2
"""Smallest side of a detection, pixels."""
_STRIDE = 32


class Targets(Protocol):
    """The true objects of a batch, as `MaskRCNN` asks for them in training (`seg_ros.training.detection.Targets`)."""

    def sample(self, anchors: Tensor, proposals: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Draws RoIs `(N, R, 4)` to learn from; returns them and which are filled, `(N, R)` bool."""

    def on_objects(self) -> tuple[Tensor, Tensor]:
        """Returns those of them that lie on an object, alike."""

    def losses(
        self, proposals: tuple[Tensor, Tensor], classes: tuple[Tensor, Tensor], masks: Tensor | None
    ) -> dict[str, Tensor]:
        """Compares with the truth what was predicted at all anchors, for all RoIs, and for those on an object."""


class Backbone(nn.Module):
    """ResNet and feature pyramid: maps images to five levels at strides 4, 8, 16, 32 and 64."""

    def __init__(self, body: ResNet, channels: int, norm: bool) -> None:
        super().__init__()
        self.body = body
        self.fpn = FPN(body.channels, channels, norm)

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.fpn(self.body(images))


class MaskRCNN(nn.Module):
    """Mask R-CNN from its parts.

    Args:
        backbone: maps images, whole multiples of 32, to pyramid levels, highest resolution first; the last is for
            proposals alone.
        rpn: proposes boxes.
        roi_heads: classify boxes, refine them, and draw their masks.
        score_threshold: smallest score of a detection, 0..1.
        nms_threshold: IoU, 0..1, above which the better of two detections of a class stays alone.
        detections: number of detections of an image.

    Raises:
        ValueError: if a threshold lies outside 0..1, or `detections` outside 1..10,000.
    """

    task = INSTANCES
    portable = False
    """See `seg_ros.models.precision.at_precision`."""

    def __init__(
        self,
        backbone: nn.Module,
        rpn: RPN,
        roi_heads: RoIHeads,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        detections: int = 100,
    ) -> None:
        super().__init__()
        within(0, 1, score_threshold=score_threshold, nms_threshold=nms_threshold)
        within(1, 10_000, detections=detections)
        self.backbone, self.rpn, self.roi_heads = backbone, rpn, roi_heads
        self.score_threshold, self.nms_threshold, self.detections = score_threshold, nms_threshold, detections
        self.canonical = 7.0 * rpn.anchor  # 224 pixels for 32: the paper's ratio

    @property
    def things(self) -> int:
        """Number of thing classes T; the network has one more, the background, as class 0."""
        return self.roi_heads.classes - 1

    def forward(self, images: Tensor, targets: Targets | None = None) -> dict[str, Tensor]:
        """Finds objects; in training, with `targets`, returns the losses instead.

        Args:
            images: `(N, 3, H, W)` float, normalised.
            targets: the true objects of these images. They choose the RoIs to learn from among the proposals, and
                compare what the heads predict for those with the truth.

        Returns:
            For D detections of each image in descending score:
            `boxes` `(N, D, 4)` in pixels, `scores` `(N, D)` 0..1, `things` `(N, D)` class 1..T,
            `mask_logits` `(N, D, 28, 28)` over the box. An empty slot has score 0 and class 0; they come last.
            Where the network's numbers for an image are not finite, all its scores are -1.
            With `targets` the scalars of `Targets.losses`.
        """
        size = tuple(images.shape[-2:])
        levels, padded = self.features(images)
        objectness, deltas = self.rpn.head(levels)
        anchors = self.rpn.anchors(levels, padded)
        proposals, valid = self.rpn(objectness, deltas, anchors, size)
        if targets is not None:
            rois, chosen = targets.sample(torch.cat(anchors), proposals, valid)
            classes = self.classify(levels, rois, padded, chosen)
            rois, chosen = targets.on_objects()
            masks = self.masks(levels, rois, padded, chosen) if chosen.any() else None
            return targets.losses((torch.cat(objectness, 1), torch.cat(deltas, 1)), classes, masks)
        class_logits, box_deltas = self.classify(levels, proposals, padded)
        shape = (*proposals.shape[:2], -1)
        class_logits, box_deltas = class_logits.view(shape), box_deltas.view(*shape, 4)
        boxes, scores, things = self._detect(class_logits, box_deltas, proposals, valid, size)
        mask_logits = self.masks(levels, boxes, padded)
        own = take(mask_logits, things.view(-1, 1))  # of T+1 masks the one of the class
        usable = finite(proposals, class_logits, box_deltas, mask_logits.unflatten(0, things.shape))
        return {
            "boxes": boxes,
            "scores": torch.where(usable.unsqueeze(1), scores, -1.0),
            "things": things,
            "mask_logits": own.view(*things.shape, *own.shape[-2:]),
        }

    def features(self, images: Tensor) -> tuple[list[Tensor], tuple[int, int]]:
        """Returns the pyramid's five levels, and the `(H, W)` that they cover: whole multiples of 32."""
        height, width = images.shape[-2:]
        images = F.pad(images, (0, -width % _STRIDE, 0, -height % _STRIDE))
        return self.backbone(images), tuple(images.shape[-2:])

    def classify(
        self, levels: list[Tensor], rois: Tensor, padded: tuple[int, int], chosen: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns class logits `(M, T+1)` and box deltas `(M, T+1, 4)` of RoIs.

        Args:
            levels, padded: from `features`.
            rois: `(N, R, 4)`, R of each image.
            chosen: `(N, R)` bool, the M that count; None: all.
        """
        logits, deltas = self.roi_heads.classify(self._align(levels, rois, padded, chosen, BOX_BINS))
        return logits.float(), deltas.float()  # what is a coordinate or a score is float32 in every precision

    def masks(
        self, levels: list[Tensor], rois: Tensor, padded: tuple[int, int], chosen: Tensor | None = None
    ) -> Tensor:
        """Returns mask logits `(M, T+1, 28, 28)` of RoIs; arguments as of `classify`."""
        return self.roi_heads.masks(self._align(levels, rois, padded, chosen, MASK_BINS))

    def _align(
        self, levels: list[Tensor], rois: Tensor, padded: tuple[int, int], chosen: Tensor | None, bins: int
    ) -> Tensor:
        features = roi_align(levels[:-1], rois, padded, bins, self.canonical)
        return features if chosen is None else features[chosen.flatten()]

    def _detect(
        self, class_logits: Tensor, deltas: Tensor, proposals: Tensor, valid: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns boxes `(N, D, 4)`, scores `(N, D)` and classes `(N, D)` of the best detections.

        Only the best `proposals` pairs of RoI and class go into suppression. Where they hold D detections, or all
        pairs above the score threshold, that changes nothing.
        """
        scores = class_logits.softmax(-1)[..., 1:]  # (N, P, T)
        boxes = clip(decode(deltas[..., 1:, :], proposals.unsqueeze(2), DELTA_WEIGHTS), size)
        things = scores.shape[-1]
        found = (scores > self.score_threshold) & valid.unsqueeze(-1) & large(boxes, _SMALLEST)
        pairs = torch.where(found, scores, 0.0).flatten(1)
        candidates = min(self.rpn.proposals, pairs.shape[1])
        score, index = pairs.topk(candidates)
        box = take(boxes.flatten(1, 2), index)
        thing = torch.remainder(index, things) + 1
        keep = greedy_nms(box, score > 0.0, self.nms_threshold, thing, loop=not self.portable)
        best, order = torch.where(keep, score, 0.0).topk(min(self.detections, candidates))
        thing = torch.where(best > 0.0, take(thing, order), 0)
        return take(box, order), best, thing


def mask_rcnn(
    things: int,
    depth: int = 50,
    width: float = 1.0,
    channels: int = 256,
    hidden: int = 1024,
    norm: bool = False,
    anchor: float = 32,
    proposals: int = 1000,
    detections: int = 100,
    score_threshold: float = 0.05,
    nms_threshold: float = 0.5,
) -> MaskRCNN:
    """Builds Mask R-CNN over a ResNet; with its defaults torchvision's `maskrcnn_resnet50_fpn`, with `norm` its `_v2`.

    Args:
        things: number of thing classes T; the network has one more, the background, as class 0.
        depth, width: of the ResNet.
        channels: of pyramid and heads.
        hidden: width of the box head's fully connected layers.
        norm: batch normalisation in pyramid and heads, four convolutions in the box head, two in the RPN.
        anchor: side in pixels of the smallest anchor; smaller ones find smaller objects.
        proposals: number of proposals of an image, and of detections before suppression.
        detections: number of detections of an image.
        score_threshold, nms_threshold: see `MaskRCNN`.

    Raises:
        ValueError: if a number is below 1 or beyond all use, or a threshold outside 0..1.
    """
    within(1, CLASSES, things=things)
    within(1, 8192, channels=channels, hidden=hidden, anchor=anchor)
    within(1, 10_000, proposals=proposals)
    return MaskRCNN(
        Backbone(ResNet(depth, width), channels, norm),
        RPN(channels, 2 if norm else 1, anchor, proposals),
        RoIHeads(things + 1, channels, hidden, norm),
        score_threshold,
        nms_threshold,
        detections,
    )
