"""Losses of semantic networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from seg_ros.classes import UNLABELLED

_TINY = 1e-6


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
    # One soft-max serves both, and no one-hot tensor is written: that took half the step of a small network on a CPU.
    label = label.flatten(1).long()
    valid = label != UNLABELLED
    truth = label.where(valid, 0)
    logs = logits.contiguous().flatten(2).log_softmax(dim=1)
    true_logs = logs.gather(1, truth.unsqueeze(1)).squeeze(1)
    pixel_weight = weight[truth] * valid
    cross_entropy = -(true_logs * pixel_weight).sum() / pixel_weight.sum().clamp(min=_TINY)  # none may be labelled
    none = logs.new_zeros(logs.shape[:2])  # sums by picture first: float32 counts no further than 16 million by ones
    occurs = none.scatter_add(1, truth, valid.to(logs.dtype)).sum(dim=0)
    hit = none.scatter_add(1, truth, true_logs.exp() * valid).sum(dim=0)
    mass = (logs.exp() * valid.unsqueeze(1)).sum(dim=(0, 2))
    present = occurs > 0
    overlap = (2.0 * hit / (mass + occurs).clamp(min=1.0))[present]
    return cross_entropy + (1.0 - overlap).sum() / present.sum().clamp(min=1)
