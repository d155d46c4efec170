"""Decodes camera messages to `Frame`s: a view where the encoding allows one, a single conversion where not.

Every check of what a camera sends lives here. A message that fails one raises `FrameError` before its pixels
are touched, with one of these reasons: "cdr", "text", "size", "encoding", "step", "truncated", "corrupt".
"""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.errors import FrameError
from seg_ros.results import Frame
from seg_ros.ros.cdr import OtherLayoutError, RawCompressed, check_text, read_compressed, read_image
from seg_ros.ros.encodings import ENCODINGS, is_measurement
from seg_ros.ros.streams import check_size, decode_stream


def decode_serialized(message: bytes, kind: type, damaged: bool = False) -> Frame:
    """Decodes what a raw subscription to a topic of `kind`, `Image` or `CompressedImage`, gives.

    The fields are read in place; only a message in another layout than classic CDR, or in an encoding that only
    cv_bridge may know, is read by rclpy.

    Args:
        damaged: as of `decode_compressed`.

    Raises:
        FrameError: as `decode_image` and `decode_compressed`; "cdr" if the message ends before its fields do.
    """
    try:
        if kind is CompressedImage:
            return _decode_compressed(read_compressed(message), damaged)
        fields = read_image(message)
        if fields.encoding in ENCODINGS:
            return Frame(*pixels(*fields[2:]), fields.stamp, fields.frame_id)
    except OtherLayoutError:
        pass  # the middleware may know it
    msg = _deserialize(message, kind)
    return decode_compressed(msg, damaged) if kind is CompressedImage else decode_image(msg)


def decode_image(msg: Image) -> Frame:
    """Decodes a raw image.

    For rgb8, bgr8 and 8UC3 `Frame.pixels` is a view into `msg.data`; every other encoding is converted once.

    Raises:
        FrameError: the message is malformed or its encoding carries no picture.
    """
    stamp, frame_id = (msg.header.stamp.sec, msg.header.stamp.nanosec), msg.header.frame_id
    check_text("frame_id", frame_id)
    check_text("encoding", msg.encoding)
    if msg.encoding not in ENCODINGS:
        return Frame(_by_cv_bridge(msg), True, stamp, frame_id)
    layout = msg.height, msg.width, msg.encoding, bool(msg.is_bigendian), msg.step
    return Frame(*pixels(*layout, msg.data), stamp, frame_id)


def decode_compressed(msg: CompressedImage, damaged: bool = False) -> Frame:
    """Decodes a JPEG or PNG image, `bgr=True`. The payload decides which: `format` is often wrong.

    Args:
        damaged: whether a damaged JPEG is decoded as far as that goes; `Frame.damage` then says what is wrong with it.

    Raises:
        FrameError: not JPEG or PNG, a depth image, too large or too slow to decode by its own header, or damaged.
    """
    stamp = msg.header.stamp.sec, msg.header.stamp.nanosec
    check_text("frame_id", msg.header.frame_id)
    check_text("format", msg.format)
    return _decode_compressed(RawCompressed(stamp, msg.header.frame_id, msg.format, msg.data), damaged)


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
        raise _unsupported(encoding)
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
    _check_length(data, step * (rows - 1) + row_bytes, f"{width}x{height} {encoding} with step {step}")

    shape = (width,) if form.channels == 1 else (width, form.channels)
    if form.wide:
        # The top byte of every value is one channel of a two-channel byte image.
        pairs = _view(data, (rows, width * form.channels, 2), step)
        array = cv2.extractChannel(pairs, 0 if is_bigendian else 1).reshape(rows, *shape)
    else:
        array = _view(data, (rows, *shape), step)
    return (array if form.convert is None else form.convert(array)), form.bgr


def _decode_compressed(fields: RawCompressed, damaged: bool) -> Frame:
    form = fields.format
    if "compressedDepth" in form or is_measurement(form.partition(";")[0].strip()):
        raise FrameError("encoding", f"format '{form}' is a depth image: give the topic of the colour image")
    stream = decode_stream(fields.data, damaged)
    return Frame(stream.pixels, True, fields.stamp, fields.frame_id, stream.damage)


def _deserialize(message: bytes, kind: type) -> Image | CompressedImage:
    try:
        return deserialize_message(message, kind)
    except Exception as error:  # rclpy's own, which is no subclass of anything, and those of its type support
        raise FrameError("cdr", f"the middleware cannot read this {kind.__name__}: {error}") from error


def _view(data: Any, shape: tuple[int, ...], step: int) -> np.ndarray:
    """Rows of bytes `step` apart, without a copy; numpy refuses a view beyond the buffer."""
    strides = (step, 1) if len(shape) == 2 else (step, shape[2], 1)
    return np.ndarray(shape, np.uint8, data, strides=strides)


def _check_length(data: Any, need: int, what: str) -> None:
    have = memoryview(data).nbytes
    if have < need:
        raise FrameError("truncated", f"{what} needs {need} bytes of data, got {have}")


def _unsupported(encoding: str, hint: str = "") -> FrameError:
    if is_measurement(encoding):
        instead = "mono16" if encoding == "16UC1" else "mono8, bgr8 or rgb8"
        text = f"encoding '{encoding}' holds depth or other measurements by convention, not a picture; publish "
        return FrameError("encoding", f"{text}{instead} if it is one")
    return FrameError("encoding", f"encoding '{encoding}' is not supported{hint}; supported: {', '.join(ENCODINGS)}")


@functools.cache
def _cv_bridge() -> Any | None:
    """A `CvBridge`, or None where it is not installed; looked for once."""
    try:
        from cv_bridge import CvBridge
    except (ImportError, AttributeError):  # AttributeError: built for another numpy
        return None
    return CvBridge()


def _by_cv_bridge(msg: Image) -> np.ndarray:
    """`(H, W, 3) uint8` BGR of an encoding that only cv_bridge may know."""
    if is_measurement(msg.encoding):
        raise _unsupported(msg.encoding)
    bridge = _cv_bridge()
    if bridge is None:
        raise _unsupported(msg.encoding, " here and cv_bridge, which may know it, is not installed")
    check_size(msg.height, msg.width)
    _check_length(msg.data, msg.step * msg.height, f"{msg.height} rows of step {msg.step}")
    try:
        array = bridge.imgmsg_to_cv2(msg, "bgr8")
    except Exception as error:  # cv_bridge raises its own, OpenCV's, numpy's and KeyError for an unknown encoding
        raise _unsupported(msg.encoding, f" (cv_bridge: {error})") from error
    if array.shape != (msg.height, msg.width, 3) or array.dtype != np.uint8:
        raise _unsupported(msg.encoding, f" (cv_bridge gave {array.shape} {array.dtype})")
    return array
