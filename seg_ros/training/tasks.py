"""What a training run needs to know of its task: the pictures, what is minimised, what decides which epoch is best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seg_ros.models.mask_rcnn import MaskRCNN
from seg_ros.training.augment import Augment
from seg_ros.training.datasets import LabelImages, read_sample
from seg_ros.training.detection import detection_losses
from seg_ros.training.evaluate import evaluate
from seg_ros.training.evaluate_instances import evaluate_instances
from seg_ros.training.instances import InstancePictures, collate
from seg_ros.training.losses import class_weights, segmentation_loss
from seg_ros.weights import Manifest


class SemanticTask:
    """A class for every pixel.

    Args:
        manifest: of the network.
        data: holds `train/` and `val/`.
        augment: of the training pictures.
        weighted: rare classes weigh more in the cross entropy.
        dice: weight of the Dice loss.
    """

    collate = None

    def __init__(self, manifest: Manifest, data: Path, augment: Augment, weighted: bool, dice: float) -> None:
        self.manifest, self.data, self.dice = manifest, data, dice
        self.pictures = LabelImages(data / "train", len(manifest.classes), augment)
        classes = len(manifest.classes)
        self.weight = class_weights(_shares(self.pictures) if weighted else np.full(classes, 1 / classes))

    def loss(self, model: nn.Module, images: Tensor, label: Tensor) -> Tensor:
        logits = model(images)["out"]
        return segmentation_loss(logits.float(), label.to(images.device), self.weight.to(images.device), self.dice)

    def score(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on `val/`; the first decides."""
        return {"miou": round(evaluate(model, self.manifest, self.data / "val", device)[0].miou(), 4)}


class InstanceTask:
    """Objects with their masks. Arguments as of `SemanticTask`."""

    collate = staticmethod(collate)

    def __init__(self, manifest: Manifest, data: Path, augment: Augment) -> None:
        self.manifest, self.data = manifest, data
        self.pictures = InstancePictures(data / "train", manifest.classes, augment)

    def loss(self, model: MaskRCNN, images: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
        targets = [{name: t.to(images.device) for name, t in target.items()} for target in targets]
        return sum(detection_losses(model, images, targets).values())

    def score(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures on `val/`; the first decides."""
        figures = evaluate_instances(model, self.manifest, self.data / "val", device)[0].summary()
        return {name: figures[name] for name in ("mask_ap", "mask_ap50", "box_ap")}


def make_task(
    model: nn.Module, manifest: Manifest, data: Path, augment: Augment, recipe: Any
) -> SemanticTask | InstanceTask:
    """The task that `model` is for."""
    if isinstance(model, MaskRCNN):
        return InstanceTask(manifest, data, augment)
    return SemanticTask(manifest, data, augment, recipe.weighted, recipe.dice)


def _shares(pictures: LabelImages) -> np.ndarray:
    """Share of the labelled pixels by class, over at most 200 evenly spaced pictures."""
    counts = np.zeros(256, np.int64)
    for image, label in pictures.files[:: max(1, len(pictures) // 200)]:
        counts += np.bincount(read_sample(image, label, pictures.classes)[1].ravel(), minlength=256)
    counts = counts[: pictures.classes]
    return counts / max(counts.sum(), 1)
