"""What Mask R-CNN minimises: the RPN's two losses and the heads' three.

Ren et al.: Faster R-CNN, 2015, section 3.1; He et al.: Mask R-CNN, 2017, section 3. Numbers are torchvision's, but
for fewer RoIs an image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seg_ros.models import mask_rcnn, rpn
from seg_ros.models.boxes import area, encode, iou
from seg_ros.models.mask_rcnn import BOX_BINS, MASK_BINS, MaskRCNN
from seg_ros.models.roi_align import roi_align

_ANCHORS, _ROIS = 256, 128
"""Anchors and RoIs of an image that count, at most."""
_POSITIVE_ANCHORS, _POSITIVE_ROIS = 0.5, 0.25
"""Largest share of them that lie on an object."""
_ON, _OFF = 0.7, 0.3
"""IoU from which an anchor lies on an object, and below which it lies on none."""
_HIT = 0.5
"""IoU from which a RoI lies on an object; below, it lies on none."""
_BETA = 1.0 / 9
"""Where the smooth L1 loss of box deltas turns from a parabola to a line."""


def detection_losses(model: MaskRCNN, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The five losses of a batch.

    Args:
        images: `(B, 3, H, W)` float, normalised.
        targets: of each image `boxes (N, 4)`, `things (N,)` 1..T, `masks (N, H, W) uint8`, `ignore (N,) bool`.

    Returns:
        Scalars `objectness`, `proposal_box`, `classification`, `box`, `mask`.
    """
    levels, padded = model.features(images)
    logits, deltas = model.rpn.head(levels)
    logits, deltas = [x.float() for x in logits], [x.float() for x in deltas]
    anchors = model.rpn.anchors(levels, padded)
    objectness, proposal_box = _proposal_losses(torch.cat(logits, 1), torch.cat(deltas, 1), torch.cat(anchors), targets)
    with torch.no_grad():
        proposals, valid = model.rpn(logits, deltas, anchors, tuple(images.shape[-2:]))
        rois = [_choose_rois(p[v], t) for p, v, t in zip(proposals, valid, targets, strict=True)]
    classification, box, mask = _head_losses(model, levels, rois, targets, padded)
    return {
        "objectness": objectness,
        "proposal_box": proposal_box,
        "classification": classification,
        "box": box,
        "mask": mask,
    }


def match(boxes: Tensor, target: dict[str, Tensor], on: float, off: float, nearest: bool) -> Tensor:
    """Which object each box lies on.

    Args:
        boxes: `(M, 4)`.
        target: of one image.
        on, off: IoU from which a box lies on an object, and below which it lies on none.
        nearest: every object gets the boxes that overlap it most, however little.

    Returns:
        `(M,) int64`: index of the object; -1 for none, -2 for a box that shall not count: in between, or mostly on
        an ignored object.
    """
    none, skip = -1, -2
    real = (~target["ignore"]).nonzero().flatten()
    matched = boxes.new_full((len(boxes),), none, dtype=torch.long)
    if target["ignore"].any():
        crowd = target["boxes"][target["ignore"]]
        low = torch.maximum(boxes[:, None, :2], crowd[None, :, :2])
        high = torch.minimum(boxes[:, None, 2:], crowd[None, :, 2:])
        inside = (high - low).clamp(min=0).prod(dim=2) / area(boxes).clamp(min=1e-6)[:, None]
        matched[(inside > 0.5).any(dim=1)] = skip
    if not len(real):
        return matched
    overlap = iou(target["boxes"][real], boxes)  # (N, M)
    best, index = overlap.max(dim=0)
    matched[(best >= off) & (best < on)] = skip
    hit = best >= on
    if nearest:
        most = overlap.max(dim=1, keepdim=True).values
        hit |= ((overlap == most) & (most > 0)).any(dim=0)
    matched[hit] = real[index[hit]]
    return matched


def _sample(matched: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Random indices of boxes on objects, at most `share` of `count`, and of boxes on none to fill up."""
    on, off = (matched >= 0).nonzero().flatten(), (matched == -1).nonzero().flatten()
    on = on[torch.randperm(len(on), device=on.device)[: int(count * share)]]
    off = off[torch.randperm(len(off), device=off.device)[: count - len(on)]]
    return on, off


def _proposal_losses(
    logits: Tensor, deltas: Tensor, anchors: Tensor, targets: list[dict[str, Tensor]]
) -> tuple[Tensor, Tensor]:
    objectness, box, count = 0.0, 0.0, 0
    for image_logits, image_deltas, target in zip(logits, deltas, targets, strict=True):
        matched = match(anchors, target, _ON, _OFF, nearest=True)
        on, off = _sample(matched, _ANCHORS, _POSITIVE_ANCHORS)
        chosen = torch.cat((on, off))
        truth = (matched[chosen] >= 0).float()
        objectness = objectness + F.binary_cross_entropy_with_logits(image_logits[chosen], truth, reduction="sum")
        wanted = encode(target["boxes"][matched[on]], anchors[on], rpn.DELTA_WEIGHTS)
        box = box + F.smooth_l1_loss(image_deltas[on], wanted, beta=_BETA, reduction="sum")
        count += len(chosen)
    return objectness / max(count, 1), box / max(count, 1)


def _choose_rois(proposals: Tensor, target: dict[str, Tensor]) -> tuple[Tensor, Tensor, int]:
    """RoIs `(R, 4)` to learn from, the object each lies on `(R,)` or -1, and how many lie on one; these come first."""
    boxes = torch.cat((proposals, target["boxes"][~target["ignore"]]))  # so that there is a hit from the first step on
    matched = match(boxes, target, _HIT, _HIT, nearest=False)
    on, off = _sample(matched, _ROIS, _POSITIVE_ROIS)
    chosen = torch.cat((on, off))
    return boxes[chosen], matched[chosen], len(on)


def _head_losses(
    model: MaskRCNN,
    levels: list[Tensor],
    rois: list[tuple[Tensor, Tensor, int]],
    targets: list[dict[str, Tensor]],
    padded: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    def align(i: int, boxes: Tensor, bins: int) -> Tensor:
        return roi_align([level[i : i + 1] for level in levels[:4]], boxes[None], padded, bins, model.canonical)

    heads = model.roi_heads
    boxes = torch.cat([r for r, _, _ in rois])
    things = torch.cat([_things(m, t) for (_, m, _), t in zip(rois, targets, strict=True)])
    x = torch.cat([align(i, r, BOX_BINS) for i, (r, _, _) in enumerate(rois)])
    logits, deltas = (y.float() for y in heads.box_predictor(heads.box_head(x)))
    classification = F.cross_entropy(logits, things, reduction="sum") / max(len(things), 1)  # crowds may leave no RoI
    on = things.nonzero().flatten()  # of each image the first n
    truth = torch.cat([t["boxes"][m[:n]] for (_, m, n), t in zip(rois, targets, strict=True)])
    wanted = encode(truth, boxes[on], mask_rcnn.DELTA_WEIGHTS)
    box = F.smooth_l1_loss(deltas[on, things[on]], wanted, beta=_BETA, reduction="sum") / max(len(things), 1)
    if not len(on):
        return classification, box, logits.sum() * 0.0
    x = torch.cat([align(i, r[:n], MASK_BINS) for i, (r, _, n) in enumerate(rois) if n])
    masks = heads.mask_predictor(heads.mask_head(x)).float()
    masks = masks[torch.arange(len(on), device=on.device), things[on]]
    truth = torch.cat([mask_targets(t["masks"][m[:n]], r[:n]) for (r, m, n), t in zip(rois, targets, strict=True) if n])
    return classification, box, F.binary_cross_entropy_with_logits(masks, truth)


def _things(matched: Tensor, target: dict[str, Tensor]) -> Tensor:
    things = torch.zeros_like(matched)
    things[matched >= 0] = target["things"][matched[matched >= 0]]
    return things


def mask_targets(masks: Tensor, boxes: Tensor) -> Tensor:
    """What the mask head shall predict: each mask `(R, H, W) uint8` in its own box `(R, 4)`, `(R, 28, 28)` float 0..1.

    The 28 x 28 cells tile the box, as `seg_ros.pasting` lays them back. RoIAlign takes whole numbers for the centres of
    pixels, which boxes have at halves; left out, as in torchvision, masks come back half a pixel off, which costs an
    object of 10 pixels an eighth of its IoU.
    """
    size = tuple(masks.shape[-2:])
    return roi_align([masks[:, None].float()], boxes[:, None] - 0.5, size, 2 * MASK_BINS, size[0])[:, 0]
