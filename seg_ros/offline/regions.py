"""What annotation tools call regions: one class and one mask each, of objects, or of all pixels of a class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.results import Instances, SemanticMap


class Region(NamedTuple):
    """A mask of a class in a picture.

    Attributes:
        class_id: index into the classes.
        score: of the object; of a label image the mean confidence of these pixels, 0..1.
        mask: `(H, W) uint8`, 1 inside, else 0, at the picture's size.
    """

    class_id: int
    score: float
    mask: np.ndarray


def regions(output: SemanticMap | Instances, classes: ClassMap) -> list[Region]:
    """Makes a region of each object, or of each class that a label image with confidence has; none is empty."""
    if isinstance(output, Instances):
        return [region for i in range(len(output)) if (region := _object(output, i)).mask.any()]
    ids = [i for i in np.unique(output.label).tolist() if i != UNLABELLED and i < len(classes)]
    return [_class(output, i) for i in ids]


def _object(objects: Instances, index: int) -> Region:
    x, y, width, height = objects.roi[index].tolist()
    mask = np.zeros(objects.size, np.uint8)
    mask[y : y + height, x : x + width] = objects.masks[index] > 0
    return Region(int(objects.class_id[index]), float(objects.score[index]), mask)


def _class(labels: SemanticMap, class_id: int) -> Region:
    inside = labels.label == class_id
    return Region(class_id, float(labels.confidence[inside].mean()) / 255, inside.astype(np.uint8))
