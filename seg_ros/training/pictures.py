"""Finding and reading the pictures that an annotation file lists."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

_log = logging.getLogger(__name__)


def listed_pictures(annotations: Path, names: Iterable[str]) -> list[Path | None]:
    """The file of each name, in `images/` beside the annotation file or beside the file itself.

    A name without a file comes as None, with a warning: real annotation files list pictures that nobody has.

    Raises:
        FileNotFoundError: if none of the files is there.
    """
    root = annotations.parent
    found = [next((p for p in (root / "images" / n, root / n) if p.is_file()), None) for n in names]
    if not any(found):
        raise FileNotFoundError(f"{annotations}: none of its {len(found)} pictures is in {root / 'images'} or {root}")
    for name, path in zip(names, found, strict=True):
        if path is None:
            _log.warning("%s: lists %s, which is not there; skipped", annotations, name)
    return found


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """The picture, `(H, W, 3) uint8` RGB, turned as its EXIF orientation says, which is how viewers show it.

    With `size`, `(H, W)` of the annotations, it stays as stored if only so it has that size: annotation tools differ.

    Raises:
        ValueError: if the file does not decode, or has another size.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if pixels is not None and size is not None and pixels.shape[:2] != tuple(size):
        shown = pixels.shape[:2]
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels.shape[:2] != tuple(size):
            raise ValueError(f"{path}: expected {size} px (height, width) as annotated, got {shown}")
    if pixels is None:
        raise ValueError(f"{path}: does not decode")
    return pixels
