"""Opens pictures and videos by OpenCV, which by itself ends the process at a name that is not UTF-8."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def read_picture(path: Path, mode: int) -> np.ndarray | None:
    """Reads a picture as `cv2.imread` does, in one of its modes; None if it cannot be read, or does not decode."""
    try:
        return cv2.imdecode(np.fromfile(path, np.uint8), mode)
    except (OSError, cv2.error):  # no permission; an empty file
        return None


def open_video(name: str) -> cv2.VideoCapture:
    """Opens a video file, or a webcam by its number. What cannot be opened, `isOpened` says.

    Raises:
        ValueError: if the name is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name}: OpenCV opens no video whose name is not UTF-8; rename it") from error
    return cv2.VideoCapture(int(name) if name.isdigit() else name)
