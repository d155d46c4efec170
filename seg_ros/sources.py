"""Where the camera's pictures come from: the synthetic street, a folder, a video file, a webcam."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from seg_ros.scenes import Street

Picture = tuple[np.ndarray, np.ndarray | None]
"""BGR image `(H, W, 3) uint8` and its true label image `(H, W) uint8`, None where there is no truth."""

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp"}


def open_source(name: str, size: tuple[int, int] | None, rate: float, loop: bool, seed: int) -> Iterator[Picture]:
    """Endless (with `loop`) or finite pictures.

    Args:
        name: `street`, a folder of pictures, a video file, or the number of a webcam.
        size: `(width, height)` to deliver, None for the source's own (the street: 640x480).
        rate: of the street in Hz: how far it moves from picture to picture.
        seed: of the street.

    Raises:
        FileNotFoundError: if the source does not exist, is empty or does not open.
        ValueError: when it comes to a picture that does not decode; or if the size is below 64x64 for the street.
    """
    if name == "street":
        return _street(seed, size or (640, 480), rate)
    path = Path(name)
    if path.is_dir():
        files = image_files(path)

        def pictures() -> Iterator[Picture]:
            return (_read(image, label) for image, label in files)
    elif path.is_file() or name.isdigit():
        _capture(name).release()  # say now, not at the first picture, that it does not open

        def pictures() -> Iterator[Picture]:
            return _video(name)
    else:
        raise FileNotFoundError(f"{name}: expected 'street', a folder of pictures, a video file or a webcam number")
    return _resized(_repeated(pictures, loop, name), size)


def picture_files(folder: Path) -> list[Path]:
    """The pictures of `folder` itself, in name order.

    Raises:
        FileNotFoundError: if there is none.
    """
    files = sorted(p for p in folder.glob("*") if p.suffix.lower() in _IMAGE_SUFFIXES)
    if not files:
        raise FileNotFoundError(f"{folder}: no pictures ({', '.join(sorted(_IMAGE_SUFFIXES))})")
    return files


def image_files(folder: Path) -> list[tuple[Path, Path | None]]:
    """The pictures of `folder` (or `folder/images`) in name order, each with its label image if there is one.

    Labels are looked for in a folder `labels` inside `folder` or beside it, under the same stem.

    Raises:
        FileNotFoundError: if there is no picture.
    """
    images = folder / "images" if (folder / "images").is_dir() else folder
    files = picture_files(images)
    labels = {
        p.stem: p
        for candidate in (images / "labels", images.parent / "labels")
        if candidate.is_dir()
        for p in candidate.glob("*.png")
    }
    return [(p, labels.get(p.stem)) for p in files]


def _street(seed: int, size: tuple[int, int], rate: float) -> Iterator[Picture]:
    street = Street(seed, *size)
    index = 0
    while True:
        scene = street.scene(index, rate)
        yield cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR), scene.label
        index += 1


def _read(image: Path, label: Path | None) -> Picture:
    pixels = cv2.imread(str(image), cv2.IMREAD_COLOR)
    truth = cv2.imread(str(label), cv2.IMREAD_GRAYSCALE) if label else None
    if pixels is None or (label and truth is None):
        raise ValueError(f"{image if pixels is None else label}: does not decode")
    return pixels, truth


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
            yield pixels, None
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
    for pixels, label in pictures:
        if size is None or (pixels.shape[1], pixels.shape[0]) == size:
            yield pixels, label
        else:
            yield (
                cv2.resize(pixels, size, interpolation=cv2.INTER_AREA),
                None if label is None else cv2.resize(label, size, interpolation=cv2.INTER_NEAREST),
            )
