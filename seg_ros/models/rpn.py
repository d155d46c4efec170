"""Region proposal network: proposes boxes that may hold an object.

Ren, He, Girshick, Sun: Faster R-CNN, NeurIPS 2015. Parameter names and numbers are torchvision's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seg_ros.models.boxes import ENDLESS, clip, constants, decode, finite, greedy_nms, take
from seg_ros.models.fpn import conv

_RATIOS = (0.5, 1.0, 2.0)
DELTA_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
_NMS_THRESHOLD = 0.7
_SMALLEST = 1e-3
"""Smallest side of a proposal, pixels."""


class RPNHead(nn.Module):
    """Objectness and box deltas at every place of every level, by the same convolutions.

    Args:
        channels: of the pyramid.
        depth: number of 3x3 convolutions.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(*(conv(channels, channels, 3, norm=False) for _ in range(depth)))
        self.cls_logits = nn.Conv2d(channels, len(_RATIOS), 1)
        self.bbox_pred = nn.Conv2d(channels, 4 * len(_RATIOS), 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)

    def forward(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Maps levels to objectness logits `(N, H*W*A)` and deltas `(N, H*W*A, 4)` each, row by row.

        A place has A anchors. All is float32 in every precision: coordinates and scores need its digits.
        """
        logits, deltas = [], []
        for level in levels:
            x = self.conv(level)
            logits.append(self.cls_logits(x).float().permute(0, 2, 3, 1).flatten(1))
            deltas.append(self.bbox_pred(x).float().permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4))
        return logits, deltas


class RPN(nn.Module):
    """Anchors, head, and the choice of proposals.

    Args:
        channels: of the pyramid.
        depth: of the head.
        anchor: side in pixels of the square anchor at the first level; each next level has twice that.
        proposals: number of proposals of an image, and of candidates of a level.
    """

    portable = False
    """See `seg_ros.models.precision.at_precision`."""

    def __init__(self, channels: int, depth: int, anchor: float, proposals: int) -> None:
        super().__init__()
        self.head = RPNHead(channels, depth)
        self.anchor, self.proposals = anchor, proposals

    def anchors(self, levels: list[Tensor], size: tuple[int, int]) -> list[Tensor]:
        """Returns for each level the anchors `(H*W*A, 4)` of an input of size `(H, W)`."""
        return [_grid(level.shape[-2:], size, self.anchor * 2**i, level.device) for i, level in enumerate(levels)]

    def forward(
        self, logits: list[Tensor], deltas: list[Tensor], anchors: list[Tensor], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Chooses proposals, in descending score; no gradient goes through them.

        Args:
            logits, deltas: of the head.
            anchors: of the same places.
            size: `(H, W)` that proposals are cut to.

        Returns:
            Boxes `(N, P, 4)` and whether they are valid, `(N, P)` bool; the invalid ones come last. Boxes of an image
            are NaN where logits or deltas of its candidates are not finite.
        """
        if self.training:
            logits, deltas = [x.detach() for x in logits], [x.detach() for x in deltas]
        best, chosen, places, scores = [], [], [], []
        for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors, strict=True):
            count = min(self.proposals, level_logits.shape[1])
            # A NaN has no place in an order: it is taken for the largest, so that it is among the candidates.
            logit, index = torch.where(level_logits < ENDLESS, level_logits, ENDLESS).topk(count)
            pad = (0, self.proposals - count)  # all levels in one shape, for one suppression
            best.append(nn.functional.pad(logit, pad))
            chosen.append(nn.functional.pad(take(level_deltas, index), (0, 0, *pad)))
            places.append(nn.functional.pad(level_anchors[index], (0, 0, *pad)))
            scores.append(nn.functional.pad(logit.sigmoid(), pad, value=-1.0))
        delta, score = torch.stack(chosen, dim=1), torch.stack(scores, dim=1)  # (N, L, K, 4), (N, L, K)
        box = clip(decode(delta, torch.stack(places, dim=1), DELTA_WEIGHTS), size)
        valid = (score >= 0.0) & large(box, _SMALLEST)
        keep = greedy_nms(box.flatten(0, 1), valid.flatten(0, 1), _NMS_THRESHOLD, loop=not self.portable)
        keep = keep.view_as(valid)
        score, index = torch.where(keep, score, -1.0).flatten(1).topk(min(self.proposals, score[0].numel()))
        usable = finite(torch.stack(best, dim=1), delta)
        return torch.where(usable.view(-1, 1, 1), take(box.flatten(1, 2), index), math.nan), score >= 0.0


def large(boxes: Tensor, smallest: float) -> Tensor:
    """Returns whether both sides of `boxes` `(..., 4)` have at least `smallest` pixels."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    return (x1 - x0 >= smallest) & (y1 - y0 >= smallest)


def _grid(cells: tuple[int, int], size: tuple[int, int], side: float, device: torch.device) -> Tensor:
    ratios = constants(_RATIOS, device).sqrt()  # height / width
    widths, heights = side / ratios, side * ratios
    shapes = (torch.stack((-widths, -heights, widths, heights), dim=1) / 2).round()
    y = torch.arange(cells[0], device=device) * (size[0] // cells[0])
    x = torch.arange(cells[1], device=device) * (size[1] // cells[1])
    y, x = torch.meshgrid(y, x, indexing="ij")
    places = torch.stack((x, y, x, y), dim=-1).view(-1, 1, 4)
    return (places + shapes).view(-1, 4).float()
