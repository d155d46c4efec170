"""The raw image encodings that are read without cv_bridge: one table, `ENCODINGS`.

The names are those of `sensor_msgs/image_encodings.hpp`. YUV is BT.601 in video range (luma 16..235), as V4L2
cameras send it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable

import cv2
import numpy as np

Convert = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How the bytes of one encoding become `(H, W, 3) uint8`.

    Attributes:
        channels: values per pixel in a row (of the first plane).
        bgr: channel order of the result.
        convert: 8-bit rows `(rows, W)` or `(rows, W, channels)` to `(H, W, 3)`; None = they are that already.
        wide: 16-bit values, of which the top byte is kept.
        rows: rows of `step` bytes per two image rows, chroma planes included: 2, 3 (4:2:0) or 6 (4:4:4).
        multiple: height and width must be multiples of these (subsampled chroma).
        minimum: smallest height and width.
    """

    channels: int
    bgr: bool = True
    convert: Convert | None = None
    wide: bool = False
    rows: int = 2
    multiple: tuple[int, int] = (1, 1)
    minimum: int = 1


def _cvt(code: int) -> Convert:
    return functools.partial(cv2.cvtColor, code=code)


# Rows B, G, R; columns Y, U, V, 1: BT.601, video range.
_YUV_TO_BGR = np.array(
    [[1.164384, 2.017232, 0.0], [1.164384, -0.391762, -0.812968], [1.164384, 0.0, 1.596027]], np.float32
)
_YUV_TO_BGR = np.column_stack([_YUV_TO_BGR, _YUV_TO_BGR @ np.float32([-16, -128, -128])])


def _nv24_to_bgr(rows: np.ndarray) -> np.ndarray:
    """Converts `(3H, W)` rows of NV24, which OpenCV does not: a Y plane, then CbCr pairs at full size.

    A chroma row holds 2W bytes, and its stride is twice the luma's (V4L2's definition): two of `rows`.
    """
    height, width = rows.shape[0] // 3, rows.shape[1]
    luma, chroma = rows[:height], rows[height:]
    chroma = np.lib.stride_tricks.as_strided(chroma, (height, width, 2), (2 * rows.strides[0], 2, 1))
    yuv = np.empty((height, width, 3), np.uint8)
    cv2.mixChannels([luma, chroma], [yuv], [0, 0, 1, 1, 2, 2])
    return cv2.transform(yuv, _YUV_TO_BGR)


_BGR = Encoding(3)
_RGB = Encoding(3, bgr=False)
_BGRA = Encoding(4, convert=_cvt(cv2.COLOR_BGRA2BGR))
_RGBA = Encoding(4, bgr=False, convert=_cvt(cv2.COLOR_RGBA2RGB))
_MONO = Encoding(1, convert=_cvt(cv2.COLOR_GRAY2BGR))
_UYVY = Encoding(2, convert=_cvt(cv2.COLOR_YUV2BGR_UYVY), multiple=(1, 2))
_YUYV = Encoding(2, convert=_cvt(cv2.COLOR_YUV2BGR_YUYV), multiple=(1, 2))

_EIGHT_BIT = {
    "bgr8": _BGR,
    "rgb8": _RGB,
    "bgra8": _BGRA,
    "rgba8": _RGBA,
    "mono8": _MONO,
} | {
    # OpenCV's demosaicing answers black below 3 x 3. Its names with four letters are the mosaic's first two
    # rows, as in ROS; those with two letters (BayerBG) are the same codes, named after the second row.
    f"bayer_{mosaic.lower()}8": Encoding(1, convert=_cvt(getattr(cv2, f"COLOR_Bayer{mosaic}2BGR")), minimum=3)
    for mosaic in ("RGGB", "BGGR", "GBRG", "GRBG")
}

ENCODINGS: dict[str, Encoding] = (
    _EIGHT_BIT
    | {f"{name[:-1]}16": dataclasses.replace(e, wide=True) for name, e in _EIGHT_BIT.items()}
    | {
        # Abstract types name no colours; cv_bridge takes them in OpenCV's order. 16UC1 is not here: depth.
        "8UC1": _MONO,
        "8UC3": _BGR,
        "8UC4": _BGRA,
        "16UC3": dataclasses.replace(_BGR, wide=True),
        "16UC4": dataclasses.replace(_BGRA, wide=True),
        "uyvy": _UYVY,
        "yuv422": _UYVY,
        "yuyv": _YUYV,
        "yuv422_yuy2": _YUYV,
        "nv12": Encoding(1, convert=_cvt(cv2.COLOR_YUV2BGR_NV12), rows=3, multiple=(2, 2)),
        "nv21": Encoding(1, convert=_cvt(cv2.COLOR_YUV2BGR_NV21), rows=3, multiple=(2, 2)),
        "nv24": Encoding(1, convert=_nv24_to_bgr, rows=6),
    }
)

_ABSTRACT = re.compile(r"(8|16|32|64)[USF]C\d*$")


def is_measurement(encoding: str) -> bool:
    """Returns whether `encoding` is an abstract type that holds depth or other measurements (16UC1, 32FC1, ...)."""
    return encoding not in ENCODINGS and _ABSTRACT.match(encoding) is not None
