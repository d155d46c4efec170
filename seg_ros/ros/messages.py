"""Results -> messages. Every message carries the source's stamp and frame_id, and rows without padding."""

from __future__ import annotations

import array

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_ros.results import Frame

_PIXELS = {"mono8": ("u1", ()), "rgb8": ("u1", (3,)), "bgr8": ("u1", (3,)), "16UC1": ("<u2", ())}
"""Per encoding the dtype of a value, little-endian, and the shape of a pixel."""


def header(frame: Frame) -> Header:
    """The header of what is computed from `frame`: the source's own stamp and frame_id."""
    return _header(frame.stamp, frame.frame_id)


def image(header: Header, pixels: np.ndarray, encoding: str) -> Image:
    """An image message, little-endian, `step == width * bytes per pixel`.

    Args:
        pixels: `(H, W) uint8` for mono8, `(H, W, 3) uint8` for rgb8 and bgr8, `(H, W) uint16` for 16UC1.

    Raises:
        ValueError: `pixels` is not what `encoding` says.
    """
    if encoding not in _PIXELS:
        raise ValueError(f"expected one of the encodings {', '.join(_PIXELS)}, got '{encoding}'")
    dtype, pixel = np.dtype(_PIXELS[encoding][0]), _PIXELS[encoding][1]
    if pixels.ndim < 2 or pixels.shape[2:] != pixel or pixels.dtype.newbyteorder("<") != dtype:
        shape = ", ".join(("H", "W", *map(str, pixel)))
        raise ValueError(f"{encoding} needs ({shape}) {dtype}, got {pixels.shape} {pixels.dtype}")
    pixels = np.ascontiguousarray(pixels, dtype)
    height, width = pixels.shape[:2]
    step = pixels.strides[0]
    msg = Image(header=header, height=height, width=width, encoding=encoding, is_bigendian=0, step=step)
    msg.data = _bytes(pixels)  # as an argument of Image() it would be copied once more
    return msg


def compressed(header: Header, bgr: np.ndarray, quality: int = 80) -> CompressedImage:
    """`(H, W, 3) uint8` BGR as JPEG of `quality` 0..100, with the `format` that image_transport writes."""
    ok, stream = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError(f"OpenCV cannot encode {bgr.shape} {bgr.dtype} as JPEG")
    msg = CompressedImage(header=header, format="bgr8; jpeg compressed bgr8")
    msg.data = _bytes(stream)
    return msg


def _header(stamp: tuple[int, int], frame_id: str) -> Header:
    return Header(stamp=Time(sec=stamp[0], nanosec=stamp[1]), frame_id=frame_id)


def _bytes(contiguous: np.ndarray) -> array.array:
    """One memcpy. rclpy takes an `array('B')` as it is, anything else value by value (147 ms at VGA)."""
    data = array.array("B")
    data.frombytes(contiguous.reshape(-1).view(np.uint8))
    return data
