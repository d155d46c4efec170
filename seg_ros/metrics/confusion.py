"""Semantic segmentation metrics from one confusion matrix."""

from __future__ import annotations

import numpy as np

from seg_ros.classes import ClassMap


class Confusion:
    """Counts pairs of (truth, prediction) over pixels; truth ids outside 0..C-1 are ignored.

    mIoU is the mean, over the classes that occur in truth or prediction, of TP / (TP + FP + FN)
    (Everingham et al., The Pascal Visual Object Classes Challenge, 2010).
    """

    def __init__(self, classes: int) -> None:
        self.matrix = np.zeros((classes, classes), np.int64)
        self.missed = np.zeros(classes, np.int64)  # truth pixels whose prediction is no class

    def add(self, truth: np.ndarray, label: np.ndarray) -> None:
        """Adds a picture: `truth` and `label` are uint8 arrays of one shape. A prediction outside 0..C-1 is a miss.

        Raises:
            ValueError: if the shapes differ.
        """
        if truth.shape != label.shape:
            raise ValueError(f"truth {truth.shape} and label {label.shape} differ in shape")
        # One histogram of 16-bit pairs: truth in the high byte, prediction in the low byte.
        pairs = np.bincount((truth.astype(np.uint16) << 8 | label).ravel(), minlength=65536)
        n = len(self.matrix)
        counts = pairs.reshape(256, 256)[:n]
        self.matrix += counts[:, :n]
        self.missed += counts[:, n:].sum(axis=1)

    def merge(self, other: Confusion) -> None:
        """Adds the counts of `other`."""
        self.matrix += other.matrix
        self.missed += other.missed

    @property
    def truths(self) -> np.ndarray:
        """Returns the true pixels by class, `(C,) int64`, those without a prediction included."""
        return self.matrix.sum(axis=1) + self.missed

    def iou(self) -> np.ndarray:
        """Returns the IoU of each class, `(C,) float64`, 0..1; NaN for a class that never occurs."""
        hit = np.diag(self.matrix)
        union = self.truths + self.matrix.sum(axis=0) - hit
        return np.where(union > 0, hit / np.maximum(union, 1), np.nan)

    def miou(self) -> float:
        """Returns the mean IoU of the classes that occur, 0..1; 0 if none does."""
        iou = self.iou()
        return float(np.nanmean(iou)) if np.isfinite(iou).any() else 0.0

    def pixel_accuracy(self) -> float:
        """Returns the share of true pixels with the right prediction, 0..1."""
        return float(np.diag(self.matrix).sum() / max(self.truths.sum(), 1))

    def summary(self, classes: ClassMap) -> dict:
        """Returns `miou`, `pixel_accuracy` and `iou` by class name (None where the class never occurs)."""
        iou = self.iou()
        return {
            "miou": round(self.miou(), 4),
            "pixel_accuracy": round(self.pixel_accuracy(), 4),
            "iou": {n: None if np.isnan(v) else round(float(v), 4) for n, v in zip(classes.names, iou, strict=True)},
        }
