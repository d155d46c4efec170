"""Reads serialised images of one number a pixel: labels, confidence and depth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sensor_msgs.msg import Image

from seg_ros.errors import FrameError
from seg_ros.ros.cdr import OtherLayoutError, RawImage, Stamp, check_text, read_image
from seg_ros.ros.deserialize import deserialized
from seg_ros.ros.pixels import check_length
from seg_ros.ros.streams import check_size

LABELS = {"mono8": "u1", "8UC1": "u1"}
"""Encodings of labels and confidence, and the type of their numbers."""
DEPTHS = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
"""Encodings of depth images: millimetres, and metres."""


class Plane(NamedTuple):
    """An image of one number a pixel.

    Attributes:
        values: `(H, W)`, in the machine's byte order; often a view into the message.
    """

    stamp: Stamp
    frame_id: str
    values: np.ndarray


def read_plane(message: bytes, encodings: dict[str, str]) -> Plane:
    """Reads a serialised `sensor_msgs/Image` in one of the encodings.

    Raises:
        FrameError: "encoding", "size", "step", "truncated", "cdr" or "text": it is malformed, or of another encoding.
    """
    try:
        raw = read_image(message)
    except OtherLayoutError:
        raw = _fields(deserialized(message, Image))
    if raw.encoding not in encodings:
        raise FrameError("encoding", f"expected one of the encodings {', '.join(encodings)}, got '{raw.encoding}'")
    check_size(raw.height, raw.width)
    kind = np.dtype((">" if raw.is_bigendian else "<") + encodings[raw.encoding])
    row = raw.width * kind.itemsize
    if raw.step < row:
        raise FrameError("step", f"step must be at least {row} for {raw.width} {raw.encoding} pixels, got {raw.step}")
    check_length(raw.data, raw.step * (raw.height - 1) + row, f"{raw.width}x{raw.height} {raw.encoding}")
    values = np.ndarray((raw.height, raw.width), kind, raw.data, strides=(raw.step, kind.itemsize))
    return Plane(raw.stamp, raw.frame_id, values if kind.isnative else values.astype(kind.newbyteorder("=")))


def _fields(msg: Image) -> RawImage:
    check_text("frame_id", msg.header.frame_id)
    stamp = msg.header.stamp.sec, msg.header.stamp.nanosec
    return RawImage(
        stamp, msg.header.frame_id, msg.height, msg.width, msg.encoding, bool(msg.is_bigendian), msg.step, msg.data
    )
