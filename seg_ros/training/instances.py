"""Reads instance data sets: pictures and the objects in them, from object-id images, COCO JSON or VIA JSON."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from seg_ros.classes import ClassMap
from seg_ros.metrics.truth import Truth
from seg_ros.training import coco, label_studio, via
from seg_ros.training.annotations import READERS, annotations_of, named_classes
from seg_ros.training.augment import Augment
from seg_ros.training.datasets import load_classes, pairs, read_sample
from seg_ros.training.folders import check_exists
from seg_ros.training.pictures import decoded


class InstanceImages:
    """`root/images/*`, `root/labels/<stem>.png` (8-bit class ids) and `root/instances/<stem>.png` (object ids).

    Object ids are 16-bit (or 8-bit), 0 = none; an object's class is the label at its pixels. Objects whose class is
    no thing class are left out.

    Args:
        root: of the data set.
        classes: the class map.

    Raises:
        FileNotFoundError: if there is no picture, or one lacks its label or its instance image.
    """

    def __init__(self, root: Path, classes: ClassMap) -> None:
        self._pairs = pairs(root)
        self._instances = [root / "instances" / f"{image.stem}.png" for image, _ in self._pairs]
        missing = [p for p in self._instances if not p.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{missing[0]}: no instance image ({len(missing)} of {len(self._pairs)} are missing)"
            )
        self.files = [image for image, _ in self._pairs]
        self._classes = classes

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """Reads a picture `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if a file does not decode or is cut off, the sizes differ, or the masks are too large.
        """
        path = self._instances[index]
        image, label = read_sample(*self._pairs[index], len(self._classes))
        instance = decoded(path, cv2.IMREAD_UNCHANGED)
        if instance.dtype not in (np.uint8, np.uint16) or instance.shape != label.shape:
            raise ValueError(
                f"{path}: expected a 16-bit, one-channel image of {label.shape}, got {instance.dtype} {instance.shape}"
            )
        return image, Truth.from_images(label, instance, self._classes.things)


_LAYOUTS = {**READERS, "instances": InstanceImages}
"""Reader by the file or folder in the root that tells it; each has `files` and `read(index)`."""


class InstancePictures(torch.utils.data.Dataset):
    """Pictures of one folder with their objects; what lies in the folder decides how they are read.

    Args:
        root: of the data set.
        classes: the class map; objects are those of its thing classes.
        augment: of the training pictures; None leaves them as they are.

    Attributes:
        files: paths of the pictures.

    Raises:
        FileNotFoundError: if there is no such folder, or it has none of the layouts.
        ValueError: if the class map has no thing classes.
    """

    def __init__(self, root: Path, classes: ClassMap, augment: Augment | None = None) -> None:
        if not classes.things:
            raise ValueError(f"{root}: the class map has no things: give the ids of the objects in 'things'")
        self._reader = _reader(root)(root, classes)
        self.files = self._reader.files
        self._augment = augment
        self._index = np.zeros(len(classes), np.int64)  # 0 is the background
        self._index[sorted(classes.things)] = np.arange(1, len(classes.things) + 1)

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> tuple[np.ndarray, Truth]:
        """Reads a picture as it is, `(H, W, 3) uint8` RGB, and its objects.

        Raises:
            ValueError: if a file does not decode, or sizes differ.
        """
        return self._reader.read(index)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Reads and augments a picture for training.

        Returns:
            `image (H, W, 3) uint8` RGB; `boxes (N, 4) float32`, `(x0, y0, x1, y1)` pixels; `things (N,) int64`, the
            place, from 1, of the class among the thing classes in ascending id; `masks (N, H, W) uint8`, 0 or 1;
            `ignore (N,) bool`.
        """
        sample = self.read(index)
        if self._augment is not None:
            # Seeded by torch's own generator, so that workers and epochs differ and a run can be repeated.
            sample = self._augment.instances(sample, np.random.default_rng(torch.randint(2**31, ()).item()))
        image, truth = sample
        arrays = {
            "image": image,
            "boxes": truth.boxes(),
            "things": self._index[truth.class_id],
            "masks": truth.masks,
            "ignore": truth.ignore,
        }
        return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}


def collate(batch: list[dict[str, Tensor]]) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Stacks images of one size to `(B, H, W, 3) uint8`; of each picture everything else stays as it is."""
    images = torch.stack([sample["image"] for sample in batch])
    return images, [{name: t for name, t in sample.items() if name != "image"} for sample in batch]


def default_classes(root: Path) -> ClassMap:
    """Reads the class map of `root/classes.json`, else from the annotations, see `named_classes`.

    Raises:
        FileNotFoundError: if there is neither, or no such folder.
        ValueError: if the annotations do not read.
    """
    check_exists(root)
    if (root / "classes.json").is_file() or annotations_of(root) is None:
        return load_classes(root)
    return named_classes(root)


def _reader(root: Path) -> type:
    check_exists(root)
    for name, reader in _LAYOUTS.items():
        if (root / name).exists():
            return reader
    raise FileNotFoundError(
        f"{root}: no objects found; expected {coco.FILE} (COCO), {label_studio.FILE} (Label Studio), {via.FILE} (VIA), "
        "or the folders images, labels (8-bit class ids) and instances (16-bit object ids)"
    )
