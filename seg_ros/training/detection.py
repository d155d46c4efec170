"""Losses of Mask R-CNN: the RPN's two losses and the heads' three.

Ren et al.: Faster R-CNN, 2015, section 3.1; He et al.: Mask R-CNN, 2017, section 3. Numbers are torchvision's, but
for fewer RoIs an image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seg_ros.models import roi_heads, rpn
from seg_ros.models.boxes import area, encode, iou
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


class Targets:
    """True objects of a batch: chooses the boxes that count, and compares with the truth what is predicted for them.

    Args:
        objects: of each image `boxes (N, 4)`, `things (N,)` 1..T, `masks (N, H, W) uint8`, `ignore (N,) bool`.
    """

    def __init__(self, objects: list[dict[str, Tensor]]) -> None:
        self._objects = objects
        self._anchors: list[tuple[Tensor, Tensor, Tensor]] = []
        self._rois: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def sample(self, anchors: Tensor, proposals: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Draws the anchors and the RoIs to learn from.

        Args:
            anchors: `(A, 4)`.
            proposals, valid: `(N, P, 4)`, and which of them are proposals, `(N, P)` bool.

        Returns:
            RoIs `(N, R, 4)` and which of them are filled, `(N, R)` bool. Those on an object come first.
        """
        for objects in self._objects:
            matched = match(anchors, objects, _ON, _OFF, nearest=True)
            chosen, on = _draw(matched, _ANCHORS, _POSITIVE_ANCHORS)
            wanted = encode(objects["boxes"][matched[on]], anchors[on], rpn.DELTA_WEIGHTS)
            self._anchors.append((chosen, on, wanted))
        for boxes, usable, objects in zip(proposals, valid, self._objects, strict=True):
            # The true boxes too, so that something is found from the first step on.
            boxes = torch.cat((boxes[usable], objects["boxes"][~objects["ignore"]]))
            matched = match(boxes, objects, _HIT, _HIT, nearest=False)
            chosen, _ = _draw(matched, _ROIS, _POSITIVE_ROIS)
            self._rois.append((boxes[chosen], matched[chosen]))
        return _padded([boxes for boxes, _ in self._rois])

    def on_objects(self) -> tuple[Tensor, Tensor]:
        """Returns the RoIs that lie on an object, as `sample` does: those that have a mask to learn."""
        return _padded([boxes[matched >= 0] for boxes, matched in self._rois])

    def losses(
        self, proposals: tuple[Tensor, Tensor], classes: tuple[Tensor, Tensor], masks: Tensor | None
    ) -> dict[str, Tensor]:
        """Compares predictions with the truth.

        Args:
            proposals: objectness logits `(N, A)` and box deltas `(N, A, 4)` of all anchors.
            classes: class logits `(M, T+1)` and box deltas `(M, T+1, 4)` of the RoIs of `sample`.
            masks: mask logits `(K, T+1, 28, 28)` of those of `on_objects`; None if there are none.

        Returns:
            Scalars `objectness`, `proposal_box`, `classification`, `box`, `mask`.
        """
        objectness, proposal_box = self._proposal_losses(*proposals)
        classification, box = self._box_losses(*classes)
        return {
            "objectness": objectness,
            "proposal_box": proposal_box,
            "classification": classification,
            "box": box,
            "mask": classes[0].sum() * 0.0 if masks is None else self._mask_loss(masks.float()),
        }

    def _proposal_losses(self, logits: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
        objectness, box, count = 0.0, 0.0, 0
        for image_logits, image_deltas, (chosen, on, wanted) in zip(logits, deltas, self._anchors, strict=True):
            truth = torch.zeros(len(chosen), device=logits.device)
            truth[: len(on)] = 1.0
            objectness = objectness + F.binary_cross_entropy_with_logits(image_logits[chosen], truth, reduction="sum")
            box = box + F.smooth_l1_loss(image_deltas[on], wanted, beta=_BETA, reduction="sum")
            count += len(chosen)
        return objectness / max(count, 1), box / max(count, 1)

    def _box_losses(self, logits: Tensor, deltas: Tensor) -> tuple[Tensor, Tensor]:
        things = torch.cat([_things(o, matched) for (_, matched), o in self._matched()])
        boxes = torch.cat([boxes for boxes, _ in self._rois])
        count = max(len(things), 1)  # crowds may leave no RoI
        classification = F.cross_entropy(logits, things, reduction="sum") / count
        on = things.nonzero().flatten()
        truth = torch.cat([o["boxes"][matched[matched >= 0]] for (_, matched), o in self._matched()])
        wanted = encode(truth, boxes[on], roi_heads.DELTA_WEIGHTS)
        box = F.smooth_l1_loss(deltas[on, things[on]], wanted, beta=_BETA, reduction="sum") / count
        return classification, box

    def _mask_loss(self, logits: Tensor) -> Tensor:
        things, truth = [], []
        for (boxes, matched), objects in self._matched():
            on = matched >= 0
            if on.any():
                things.append(objects["things"][matched[on]])
                truth.append(mask_targets(objects["masks"][matched[on]], boxes[on]))
        own = logits[torch.arange(len(logits), device=logits.device), torch.cat(things)]
        return F.binary_cross_entropy_with_logits(own, torch.cat(truth))

    def _matched(self) -> zip:
        return zip(self._rois, self._objects, strict=True)


def match(boxes: Tensor, target: dict[str, Tensor], on: float, off: float, nearest: bool) -> Tensor:
    """Finds the object that each box lies on.

    Args:
        boxes: `(M, 4)`.
        target: the objects of one image, as of `Targets`.
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


def mask_targets(masks: Tensor, boxes: Tensor) -> Tensor:
    """Returns what the mask head shall predict: each mask `(R, H, W) uint8` in its own box, `(R, 28, 28)` float 0..1.

    The 28 x 28 cells tile the box `(R, 4)`, as `seg_ros.pasting` takes them. RoIAlign takes whole numbers for the
    centres of pixels, which boxes have at halves; left out, as in torchvision, masks come back half a pixel off, which
    costs an object of 10 pixels an eighth of its IoU.
    """
    size = tuple(masks.shape[-2:])
    return roi_align([masks[:, None].float()], boxes[:, None] - 0.5, size, 2 * roi_heads.MASK_BINS, size[0])[:, 0]


def _draw(matched: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Draws indices of at most `count` boxes, and those of them on objects: at most `share`, and they come first."""
    on, off = (matched >= 0).nonzero().flatten(), (matched == -1).nonzero().flatten()
    on = on[torch.randperm(len(on), device=on.device)[: int(count * share)]]
    off = off[torch.randperm(len(off), device=off.device)[: count - len(on)]]
    return torch.cat((on, off)), on


def _things(objects: dict[str, Tensor], matched: Tensor) -> Tensor:
    """Returns the class of the object that each box lies on, 0 where it lies on none."""
    things = torch.zeros_like(matched)
    things[matched >= 0] = objects["things"][matched[matched >= 0]]
    return things


def _padded(boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Pads `(R_i, 4)` of each image to one `(N, R, 4)`; returns it and which rows are filled, `(N, R)` bool."""
    filled = [torch.ones(len(b), dtype=torch.bool, device=b.device) for b in boxes]
    return pad_sequence(boxes, batch_first=True), pad_sequence(filled, batch_first=True)
