"""Shared parts of the readers of data sets: pictures, the pictures that a file lists, and what is wrong with it."""

from __future__ import annotations

import contextlib
import functools
import logging
import reprlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import ArrayLike
from PIL import Image

from seg_ros.opened import read_picture

_log = logging.getLogger(__name__)
_FAR = 1e5


def picture_file(root: Path, name: str) -> Path | None:
    """Returns the file of a listed picture, in `root/images` or `root` itself; None if it is not there."""
    return next((p for p in (root / "images" / name, root / name) if p.is_file()), None)


def listed_pictures(annotations: Path, names: Iterable[str]) -> list[Path | None]:
    """Finds the file of each name, in `images/` beside the annotation file or beside the file itself.

    A name without a file comes as None, with one warning a process: real annotation files list pictures that nobody
    has, and are read again for each evaluation.

    Raises:
        FileNotFoundError: if none of the files is there.
    """
    root = annotations.parent
    found = [picture_file(root, name) for name in names]
    if not any(found):
        raise FileNotFoundError(f"{annotations}: none of its {len(found)} pictures is in {root / 'images'} or {root}")
    for name, path in zip(names, found, strict=True):
        if path is None:
            _warn_missing(annotations, name)
    return found


@functools.cache
def _warn_missing(annotations: Path, name: str) -> None:
    _log.warning("%s: lists %s, which is not there; skipped", annotations, name)


@contextlib.contextmanager
def annotated(where: Path | str, expected: str) -> Iterator[None]:
    """Turns whatever does not fit, where annotations are taken apart, into a ValueError of one line.

    Args:
        where: begins the line: the annotation file.
        expected: what its author should have written.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{where}: expected {expected}; {error} is missing") from error
    except ValueError as error:  # has what was expected in its text
        raise ValueError(f"{where}: {error}") from error
    except FileNotFoundError:
        raise
    except OSError as error:  # a name that no file can have
        raise ValueError(f"{where}: expected {expected}, got {error.strerror}") from error
    except (TypeError, AttributeError, AssertionError, OverflowError) as error:
        raise ValueError(f"{where}: expected {expected}, got something else: {error}") from error


def coordinates(values: ArrayLike) -> np.ndarray:
    """Returns `values`, in pixels, as float64, cut to +-1e5: shapes are drawn row by row, even those out of sight.

    Raises:
        ValueError: if one is not finite.
    """
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"expected finite coordinates, got {reprlib.repr(values)}")
    return numbers.clip(-_FAR, _FAR)


def decoded(path: Path, mode: int) -> np.ndarray:
    """Reads a picture by OpenCV, in one of its modes.

    Raises:
        ValueError: if the file does not decode, or is cut off or damaged: OpenCV fills what is missing of a JPEG with
            grey, and goes on after damage with shifted colours.
    """
    _check_whole(path)
    pixels = read_picture(path, mode)
    if pixels is None:
        raise ValueError(f"{path}: does not decode")
    return pixels


@functools.cache  # once a process: it costs as much as to decode the picture
def _check_whole(path: Path) -> None:
    try:
        with Image.open(path) as picture:  # refuses a size beyond all sense before anything is decoded
            if picture.format in ("JPEG", "MPO"):  # of damage in the middle, Pillow says nothing
                simplejpeg.decode_jpeg(path.read_bytes(), "CMYK" if picture.mode == "CMYK" else "GRAY")
            else:
                picture.load()
    except (OSError, ValueError, KeyError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: does not decode: {error}; it is cut off or damaged, fetch it again") from error


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Reads a picture, `(H, W, 3) uint8` RGB, turned by its EXIF orientation, as viewers show it.

    With `size`, `(H, W)` of the annotations, it stays as stored if only so it has that size: annotation tools differ.

    Raises:
        ValueError: if the file does not decode, is cut off, or has another size.
    """
    pixels = decoded(path, cv2.IMREAD_COLOR_RGB)
    if size is not None and pixels.shape[:2] != tuple(size):
        shown = pixels.shape[:2]
        pixels = decoded(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels.shape[:2] != tuple(size):
            raise ValueError(f"{path}: expected {size} px (height, width) as annotated, got {shown}")
    return pixels


def read_label(path: Path) -> np.ndarray:
    """Reads a label image as it is, `(H, W) uint8`: class ids, with or without a palette of colours for viewers.

    Raises:
        ValueError: if the file does not decode, or is no 8-bit, one-channel image.
    """
    ids = decoded(path, cv2.IMREAD_UNCHANGED)
    if ids.ndim == 3:
        with Image.open(path) as picture:
            if picture.mode == "P":  # as of Pascal VOC; OpenCV makes colours of it
                ids = np.array(picture)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise ValueError(f"{path}: expected an 8-bit, one-channel image, got {ids.dtype} {ids.shape}")
    return ids
