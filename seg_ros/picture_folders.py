"""Folders of pictures, with the truth about them where it lies beside: label images, or annotations."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from seg_ros.classes import UNLABELLED, ClassMap
from seg_ros.metrics.truth import Truth
from seg_ros.opened import read_picture
from seg_ros.picture import Picture

if TYPE_CHECKING:
    from seg_ros.training.annotations import Reader

_log = logging.getLogger(__name__)
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


def folder_pictures(folder: Path, classes: ClassMap | None) -> Callable[[], Iterator[Picture]]:
    """Returns what reads the pictures of a folder from the first on, with their truth where it is of these classes.

    Args:
        classes: of the truth; None: those of `classes.json` in the folder or beside it, else those that the
            annotations name. Where the truth is of others, pictures come without it, and the log tells why.

    Raises:
        FileNotFoundError: if there is no picture.
        ValueError: of what is returned, when it comes to a picture that does not decode.
    """
    if reader := _annotations(folder, classes):
        return lambda: (_annotated(*reader.read(index)) for index in range(len(reader.files)))
    files = image_files(folder)
    if any(label for _, label, _ in files) and not _of_these_classes(folder, classes):
        files = [(image, None, None) for image, _, _ in files]
    return lambda: (_read(*each) for each in files)


def picture_files(folder: Path) -> list[Path]:
    """Lists the pictures of `folder` itself, in name order. Hidden files, as macOS leaves beside them, are none.

    Raises:
        FileNotFoundError: if there is none.
    """
    files = sorted(p for p in folder.glob("[!.]*") if p.suffix.lower() in IMAGE_SUFFIXES and not p.is_dir())
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return files


def image_files(folder: Path) -> list[tuple[Path, Path | None, Path | None]]:
    """Lists the pictures of `folder` (or `folder/images`) in name order, each with its truth if there is one.

    The truth has the picture's name: label images in a folder `labels` inside the folder of pictures or beside it,
    images of object ids in `instances`.

    Returns:
        Of each picture `(image, label or None, instance or None)`.

    Raises:
        FileNotFoundError: if there is no picture.
    """
    images = folder / "images" if (folder / "images").is_dir() else folder
    files = picture_files(images)
    labels, instances = _truth_files(images, "labels"), _truth_files(images, "instances")
    return [(p, labels.get(p.stem), instances.get(p.stem)) for p in files]


def _truth_files(images: Path, kind: str) -> dict[str, Path]:
    """Finds the PNG files of the folders `kind` inside `images` and beside it, by stem; the latter's win."""
    return {p.stem: p for folder in (images / kind, images.parent / kind) for p in folder.glob("*.png")}


def _annotations(folder: Path, classes: ClassMap | None) -> Reader | None:
    """Opens the annotated pictures of a folder; None if it has no annotations, or none of these classes."""
    # Who has no annotations needs no pycocotools.
    from seg_ros.training.annotations import READERS, annotations_of, named_classes

    found = annotations_of(folder)
    if found is None:
        return None
    file = classes_file(folder)
    try:
        return READERS[found](folder, classes or (ClassMap.read(file) if file else named_classes(folder)))
    except ValueError as error:
        _log.warning("there is no truth of the pictures: %s", error)
        return None


def classes_file(folder: Path) -> Path | None:
    """Returns the classes file of a data set, in `folder` or beside it; None without one."""
    files = (folder / "classes.json", folder.absolute().parent / "classes.json")
    return next((file for file in files if file.is_file()), None)


def _of_these_classes(folder: Path, classes: ClassMap | None) -> bool:
    """Returns whether the label images of a folder may be compared with labels of these classes."""
    file = classes_file(folder)
    if classes is None or file is None:
        return True
    names = ClassMap.read(file).names
    if names != classes.names:
        _log.warning(
            "there is no truth of the pictures: %s: expected the classes %s, got %s",
            file, ", ".join(classes.names), ", ".join(names),
        )  # fmt: skip
    return names == classes.names


def _annotated(pixels: np.ndarray, truth: Truth) -> Picture:
    """Draws true objects as images of class ids and of object ids; of those that overlap the smaller is in front."""
    label = np.full(pixels.shape[:2], UNLABELLED, np.uint8)
    instance = np.zeros(pixels.shape[:2], np.uint16)
    for i in truth.back_to_front():
        if not truth.crowd[i]:
            inside = truth.masks[i] > 0
            label[inside], instance[inside] = truth.class_id[i], i + 1
    return Picture(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), label, instance)


def _read(image: Path, label: Path | None, instance: Path | None) -> Picture:
    from seg_ros.training.pictures import read_label  # who has no label images needs no simplejpeg

    return Picture(
        _decoded(image, cv2.IMREAD_COLOR),
        read_label(label) if label else None,
        _object_ids(instance) if instance else None,
    )


def _object_ids(file: Path) -> np.ndarray:
    ids = _decoded(file, cv2.IMREAD_UNCHANGED)
    if ids.ndim != 2:
        raise ValueError(f"{file}: object ids must be a grey picture of 8 or 16 bit, got {ids.shape[2]} channels")
    return ids.astype(np.uint16)


def _decoded(file: Path, mode: int) -> np.ndarray:
    pixels = read_picture(file, mode)
    if pixels is None:
        raise ValueError(f"{file}: does not decode")
    return pixels
