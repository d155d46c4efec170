"""Decodes camera messages to `Frame`s, and those that only the middleware or cv_bridge can read.

What a camera sends is checked in `pixels`. A message that fails a check raises `FrameError`, with its reasons or "cdr".
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.results import Frame
from seg_ros.ros.cdr import OtherLayoutError, RawCompressed, check_text, read_compressed, read_image
from seg_ros.ros.deserialize import deserialized
from seg_ros.ros.encodings import ENCODINGS, is_measurement
from seg_ros.ros.pixels import check_length, compressed_frame, image_frame, pixels, unsupported
from seg_ros.ros.streams import check_size


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
            return compressed_frame(read_compressed(message), damaged)
        fields = read_image(message)
        if fields.encoding in ENCODINGS:
            return image_frame(fields)
    except OtherLayoutError:
        pass  # the middleware may know it
    msg = deserialized(message, kind)
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
    return compressed_frame(RawCompressed(stamp, msg.header.frame_id, msg.format, msg.data), damaged)


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
        raise unsupported(msg.encoding)
    bridge = _cv_bridge()
    if bridge is None:
        raise unsupported(msg.encoding, " here and cv_bridge, which may know it, is not installed")
    check_size(msg.height, msg.width)
    check_length(msg.data, msg.step * msg.height, f"{msg.height} rows of step {msg.step}")
    try:
        array = bridge.imgmsg_to_cv2(msg, "bgr8")
    except Exception as error:  # cv_bridge raises its own, OpenCV's, numpy's and KeyError for an unknown encoding
        raise unsupported(msg.encoding, f" (cv_bridge: {error})") from error
    if array.shape != (msg.height, msg.width, 3) or array.dtype != np.uint8:
        raise unsupported(msg.encoding, f" (cv_bridge gave {array.shape} {array.dtype})")
    return array
