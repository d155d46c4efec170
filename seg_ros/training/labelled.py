"""Pictures with the class of each pixel: from label images, or drawn from annotated objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.training.annotations import READERS, annotations_of
from seg_ros.training.datasets import Sample, check_sizes, pairs, read_sample
from seg_ros.training.pictures import read_label


class Labelled(Protocol):
    """Pictures of one folder and their label images.

    Attributes:
        files: paths of the pictures.
    """

    files: list[Path]

    def check(self) -> None:
        """Checks what can be checked without decoding.

        Raises:
            ValueError: if a label image has another size than its picture.
        """

    def read(self, index: int) -> Sample:
        """Reads a picture and its label image.

        Raises:
            ValueError: if a file does not decode, or sizes differ.
        """

    def ids(self, index: int) -> np.ndarray:
        """Reads the label image alone, with the ids that it has, `(H, W) uint8`.

        Raises:
            ValueError: as `read`.
        """


def open_labelled(root: Path, classes: ClassMap) -> Labelled:
    """Opens the pictures of a data set with their label images, or where there are none with its annotations.

    Raises:
        FileNotFoundError: if there is no picture, or one lacks its label image.
        ValueError: if the annotations do not read.
    """
    reader = annotations_of(root)
    if reader is None or (root / "labels").is_dir():
        return LabelFiles(root, classes)
    return DrawnLabels(root, classes, reader)


class LabelFiles:
    """The pictures `root/images/*` and their label images `root/labels/<stem>.png`, see `open_labelled`."""

    def __init__(self, root: Path, classes: ClassMap) -> None:
        self._pairs = pairs(root)
        self._classes = len(classes)
        self.files = [image for image, _ in self._pairs]

    def check(self) -> None:
        """See `Labelled`."""
        check_sizes(self._pairs)

    def read(self, index: int) -> Sample:
        """See `Labelled`; ids that are no class come as 255."""
        return read_sample(*self._pairs[index], self._classes)

    def ids(self, index: int) -> np.ndarray:
        """See `Labelled`."""
        return read_label(self._pairs[index][1])


class DrawnLabels:
    """Label images drawn from annotations: of objects that overlap the smaller is in front, crowds are of their class.

    Pixels of no object are of the first class if the annotations have no such name, since then it is what is left;
    else they are unlabelled.
    """

    def __init__(self, root: Path, classes: ClassMap, reader: str) -> None:
        self._pictures = READERS[reader](root, dataclasses.replace(classes, things=frozenset(range(len(classes)))))
        self._rest = UNLABELLED if classes.names[0] in self._pictures.names else 0
        self.files = self._pictures.files

    def check(self) -> None:
        """See `Labelled`: the reader has done so."""

    def read(self, index: int) -> Sample:
        """See `Labelled`."""
        pixels, truth = self._pictures.read(index)
        label = np.full(pixels.shape[:2], self._rest, np.uint8)
        for i in truth.back_to_front():
            label[truth.masks[i] > 0] = truth.class_id[i]
        return pixels, label

    def ids(self, index: int) -> np.ndarray:
        """See `Labelled`."""
        return self.read(index)[1]


class LabelImages(torch.utils.data.Dataset):
    """Labelled pictures as tensors, to train on.

    Args:
        augment: maps a sample and a random generator to a sample.
    """

    def __init__(
        self, labelled: Labelled, augment: Callable[[Sample, np.random.Generator], Sample] | None = None
    ) -> None:
        self._labelled, self._augment = labelled, augment

    def __len__(self) -> int:
        return len(self._labelled.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Returns `(H, W, 3) uint8` RGB and `(H, W) uint8` label."""
        sample = self._labelled.read(index)
        if self._augment is not None:
            # Seeded by torch's own generator, so that workers and epochs differ and a run can be repeated.
            sample = self._augment(sample, np.random.default_rng(torch.randint(2**31, ()).item()))
        return tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in sample)
