"""Losses of semantic networks."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from seg_ros.classes import UNLABELLED


def class_weights(shares: np.ndarray) -> Tensor:
    """Returns a weight for each class from its share of the pixels: `1 / ln(1.1 + share)`, scaled to mean 1.

    Paszke et al.: ENet, 2016, section 5.1 (there with 1.02): rare classes count more, yet bounded.
    """
    weights = 1.0 / np.log(1.1 + np.asarray(shares, np.float64))
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)


def segmentation_loss(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Returns weighted cross entropy plus soft Dice, over labelled pixels.

    Args:
        logits: `(N, C, H, W)` float.
        label: `(N, H, W)` uint8, 255 = unlabelled.
        weight: `(C,)` float, of each class in the cross entropy.

    Dice (Milletari et al.: V-Net, 2016) is taken per class over the batch, for the classes that occur.
    """
    label = label.long()
    cross_entropy = F.cross_entropy(logits, label, weight=weight, ignore_index=UNLABELLED)
    cross_entropy = cross_entropy.nan_to_num()  # no pixel is labelled
    valid = label != UNLABELLED
    truth = F.one_hot(label.where(valid, 0), logits.shape[1]).permute(0, 3, 1, 2) * valid.unsqueeze(1)
    probability = logits.softmax(dim=1) * valid.unsqueeze(1)
    hit = (probability * truth).sum(dim=(0, 2, 3))
    total = probability.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    overlap = (2.0 * hit / total.clamp(min=1.0))[present]
    return cross_entropy + (1.0 - overlap).sum() / present.sum().clamp(min=1)
