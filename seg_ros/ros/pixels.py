"""Turns the fields of camera messages into `Frame`s: a view where the encoding allows one, a conversion where not.

Every check of what a camera sends lives here, and nothing of ROS: recordings are read by the same code. A message that
fails a check raises `FrameError` before its pixels are touched, with one of these reasons: "text", "size", "encoding",
"step", "truncated", "corrupt".
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from seg_ros.errors import FrameError
from seg_ros.results import Frame
from seg_ros.ros.cdr import RawCompressed, RawImage
from seg_ros.ros.encodings import ENCODINGS, is_measurement
from seg_ros.ros.streams import check_size, decode_stream


def image_frame(fields: RawImage) -> Frame:
    """Makes a frame of the fields of a `sensor_msgs/Image`; raises as `pixels` does."""
    return Frame(*pixels(*fields[2:]), fields.stamp, fields.frame_id)


def compressed_frame(fields: RawCompressed, damaged: bool = False) -> Frame:
    """Makes a frame of the fields of a `sensor_msgs/CompressedImage`, JPEG or PNG; `format` is often wrong.

    Args:
        damaged: whether a damaged JPEG is decoded as far as that goes; `Frame.damage` then says what is wrong with it.

    Raises:
        FrameError: not JPEG or PNG, a depth image, too large or too slow to decode by its own header, or damaged.
    """
    form = fields.format
    if "compressedDepth" in form or is_measurement(form.partition(";")[0].strip()):
        raise FrameError("encoding", f"format '{form}' is a depth image: give the topic of the colour image")
    stream = decode_stream(fields.data, damaged)
    return Frame(stream.pixels, True, fields.stamp, fields.frame_id, stream.damage)


def pixels(height: int, width: int, encoding: str, is_bigendian: bool, step: int, data: Any) -> tuple[np.ndarray, bool]:
    """Turns the fields of a `sensor_msgs/Image` into `(H, W, 3) uint8`, and returns whether that is BGR.

    Args:
        step: bytes from one row to the next, at least a row's own bytes. Chroma planes follow the luma rows,
            with the same step (nv12, nv21) or twice that (nv24).
        data: any contiguous buffer of bytes (`array('B')`, `bytes`, `memoryview`, `ndarray`). The last row
            may lack its padding; bytes after it are ignored.

    16-bit values keep their top byte (`value >> 8`).

    Raises:
        FrameError: "encoding" not in `ENCODINGS`; "size", "step" or "truncated".
    """
    if encoding not in ENCODINGS:
        raise unsupported(encoding)
    form = ENCODINGS[encoding]
    check_size(height, width)
    if min(height, width) < form.minimum:
        raise FrameError("size", f"{encoding} needs at least {form.minimum}x{form.minimum}, got {width}x{height}")
    if height % form.multiple[0] or width % form.multiple[1]:
        need = " and ".join(n for n, m in zip(("height", "width"), form.multiple, strict=True) if m > 1)
        raise FrameError("size", f"{encoding} needs an even {need}, got {width}x{height}")
    row_bytes = width * form.channels * (2 if form.wide else 1)
    if step < row_bytes:
        raise FrameError("step", f"step must be at least {row_bytes} for {width} {encoding} pixels, got {step}")
    rows = height * form.rows // 2
    check_length(data, step * (rows - 1) + row_bytes, f"{width}x{height} {encoding} with step {step}")

    shape = (width,) if form.channels == 1 else (width, form.channels)
    if form.wide:
        # The top byte of every value is one channel of a two-channel byte image.
        pairs = _view(data, (rows, width * form.channels, 2), step)
        array = cv2.extractChannel(pairs, 0 if is_bigendian else 1).reshape(rows, *shape)
    else:
        array = _view(data, (rows, *shape), step)
    return (array if form.convert is None else form.convert(array)), form.bgr


def _view(data: Any, shape: tuple[int, ...], step: int) -> np.ndarray:
    """Rows of bytes `step` apart, without a copy; numpy refuses a view beyond the buffer."""
    strides = (step, 1) if len(shape) == 2 else (step, shape[2], 1)
    return np.ndarray(shape, np.uint8, data, strides=strides)


def check_length(data: Any, need: int, what: str) -> None:
    """Refuses data of fewer than `need` bytes; raises `FrameError` "truncated"."""
    have = memoryview(data).nbytes
    if have < need:
        raise FrameError("truncated", f"{what} needs {need} bytes of data, got {have}")


def unsupported(encoding: str, hint: str = "") -> FrameError:
    """Returns the error of an encoding that is not read."""
    if is_measurement(encoding):
        instead = "mono16" if encoding == "16UC1" else "mono8, bgr8 or rgb8"
        text = f"encoding '{encoding}' holds depth or other measurements by convention, not a picture; publish "
        return FrameError("encoding", f"{text}{instead} if it is one")
    return FrameError("encoding", f"encoding '{encoding}' is not supported{hint}; supported: {', '.join(ENCODINGS)}")
