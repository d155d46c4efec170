"""Sources of camera pictures: the synthetic street, a folder, a video file, a webcam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from seg_ros.scenes import Street


class Picture(NamedTuple):
    """A camera picture, and the truth about it where that is known.

    Attributes:
        image: `(H, W, 3) uint8` BGR.
        label: `(H, W) uint8`, true class ids.
        instance: `(H, W) uint16`, true object ids; 0 = none.
    """

    image: np.ndarray
    label: np.ndarray | None = None
    instance: np.ndarray | None = None


_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


def open_source(name: str, size: tuple[int, int] | None, rate: float, loop: bool, seed: int) -> Iterator[Picture]:
    """Opens a source of pictures, endless with `loop`.

    Args:
        name: `street`, a folder of pictures, a video file, or the number of a webcam.
        size: `(H, W)` of the pictures, None for the source's own (the street: 480x640).
        rate: pictures per second of the street's time: how far the car drives from one to the next.
        loop: start again at the end; the street has none.
        seed: of the street.

    Raises:
        FileNotFoundError: if the source does not exist, is empty or does not open.
        ValueError: when it comes to a picture that does not decode; for a street smaller than 64x64.
    """
    if name == "street":
        return _street(seed, size or (480, 640), rate)
    path = Path(name)
    if path.is_dir():
        files = image_files(path)

        def pictures() -> Iterator[Picture]:
            return (_read(*each) for each in files)
    elif path.is_file() or name.isdigit():
        _capture(name).release()  # say now, not at the first picture, that it does not open

        def pictures() -> Iterator[Picture]:
            return _video(name)
    else:
        raise FileNotFoundError(f"{name}: expected 'street', a folder of pictures, a video file or a webcam number")
    return _resized(_repeated(pictures, loop, name), size)


def picture_files(folder: Path) -> list[Path]:
    """Lists the pictures of `folder` itself, in name order.

    Raises:
        FileNotFoundError: if there is none.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures ({', '.join(sorted(_IMAGE_SUFFIXES))})")
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


def _street(seed: int, size: tuple[int, int], rate: float) -> Iterator[Picture]:
    street = Street(seed, size)
    index = 0
    while True:
        scene = street.scene(index, rate)
        yield Picture(cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), scene.label, scene.instance)
        index += 1


def _read(image: Path, label: Path | None, instance: Path | None) -> Picture:
    return Picture(
        _decoded(image, cv2.IMREAD_COLOR),
        _decoded(label, cv2.IMREAD_GRAYSCALE) if label else None,
        _object_ids(instance) if instance else None,
    )


def _object_ids(file: Path) -> np.ndarray:
    ids = _decoded(file, cv2.IMREAD_UNCHANGED)
    if ids.ndim != 2:
        raise ValueError(f"{file}: object ids must be a grey picture of 8 or 16 bit, got {ids.shape[2]} channels")
    return ids.astype(np.uint16)


def _decoded(file: Path, mode: int) -> np.ndarray:
    pixels = cv2.imread(str(file), mode)
    if pixels is None:
        raise ValueError(f"{file}: does not decode")
    return pixels


def _capture(name: str) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(int(name) if name.isdigit() else name)
    if not capture.isOpened():
        raise FileNotFoundError(f"{name}: OpenCV cannot open it")
    return capture


def _video(name: str) -> Iterator[Picture]:
    capture = _capture(name)
    try:
        while True:
            ok, pixels = capture.read()
            if not ok:
                return
            yield Picture(pixels)
    finally:
        capture.release()


def _repeated(pictures: Callable[[], Iterator[Picture]], loop: bool, name: str) -> Iterator[Picture]:
    while True:
        empty = True
        for picture in pictures():
            empty = False
            yield picture
        if empty:
            raise ValueError(f"{name}: it opens, but no picture could be read")
        if not loop:
            return


def _resized(pictures: Iterator[Picture], size: tuple[int, int] | None) -> Iterator[Picture]:
    if size is None:
        yield from pictures
        return

    def ids(truth: np.ndarray | None) -> np.ndarray | None:
        return None if truth is None else cv2.resize(truth, size[::-1], interpolation=cv2.INTER_NEAREST)

    for picture in pictures:
        if picture.image.shape[:2] == size:
            yield picture
        else:
            image = cv2.resize(picture.image, size[::-1], interpolation=cv2.INTER_AREA)
            yield Picture(image, ids(picture.label), ids(picture.instance))
