"""Plots of results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from seg_ros.classes import ClassMap
from seg_ros.metrics.confusion import Confusion


def confusion_matrix(confusion: Confusion, classes: ClassMap, path: Path) -> None:
    """Writes a picture of the confusion matrix, in percent of the true pixels of each class."""
    count = len(classes)
    percent = 100 * confusion.matrix / np.maximum(confusion.truths, 1)[:, None]
    figure = Figure(figsize=(3 + 0.6 * count, 2 + 0.6 * count), dpi=100)
    axes = figure.subplots()
    shades = axes.imshow(percent, vmin=0, vmax=100)
    axes.set_xticks(range(count), classes.names, rotation=45, ha="right")
    axes.set_yticks(range(count), classes.names)
    axes.set(xlabel="prediction", ylabel="truth", title="% of the true pixels")
    for row, column in np.ndindex(percent.shape):
        value = percent[row, column]
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", color="black" if value > 60 else "white")
    figure.colorbar(shades)
    figure.savefig(path, bbox_inches="tight")  # grows by what long names need
