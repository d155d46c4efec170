"""Reads serialised `sensor_msgs/Image` and `CompressedImage` in place; writes them, and markers, in one piece.

rclpy makes Python objects of every field and copies the pixels twice on the way; at 1080p that takes longer than a
small network. A serialised message is a few numbers, two or three strings and the pixels, so here the numbers are
read where they lie and the pixels stay a view.

The layout is classic CDR (OMG DDS-RTPS 2.5, section 10; CORBA 3.4 part 2, section 9.3): four bytes name the encoding,
then every number lies at a multiple of its own size counted from there; a string is its length with the final zero,
and its bytes; a sequence is its length, and its items. Both byte orders are read, little-endian is written.
"""

from __future__ import annotations

import functools
import math
import struct
from typing import NamedTuple

import numpy as np

from seg_ros.errors import FrameError

Stamp = tuple[int, int]
"""Seconds and nanoseconds."""

_BYTE_ORDER = {b"\x00\x00": ">", b"\x00\x01": "<"}
"""By the first two bytes: CDR big-endian and little-endian. The two after them have no meaning here."""
_LITTLE_ENDIAN = b"\x00\x01\x00\x00"
_LINE_LIST, _ADD = 2, 0
"""Of `visualization_msgs/ImageMarker`."""


MAX_TEXT = 256
"""Most bytes of a frame_id, an encoding or a format: what a message says is kept for the next one, and logged."""


class RawImage(NamedTuple):
    """The fields of a `sensor_msgs/Image`; `data` is a view into the message, 1 byte an item."""

    stamp: Stamp
    frame_id: str
    height: int
    width: int
    encoding: str
    is_bigendian: bool
    step: int
    data: memoryview


class RawCompressed(NamedTuple):
    """The fields of a `sensor_msgs/CompressedImage`; `data` is a view into the message, 1 byte an item."""

    stamp: Stamp
    frame_id: str
    format: str
    data: memoryview


class OtherLayoutError(Exception):
    """Raised for a message that is not in classic CDR: the middleware must read it."""


def read_image(message: bytes) -> RawImage:
    """Reads the fields of a serialised `sensor_msgs/Image`.

    Raises:
        OtherLayoutError: it is in another encoding than classic CDR.
        FrameError: "cdr": the message ends before its fields do; "text": one of its strings exceeds `MAX_TEXT`.
    """
    reader = _Reader(message)
    stamp = reader.stamp()
    frame_id = reader.string("frame_id")
    height, width = reader.number(), reader.number()
    encoding = reader.string("encoding")
    is_bigendian = reader.byte() != 0
    step = reader.number()
    return RawImage(stamp, frame_id, height, width, encoding, is_bigendian, step, reader.sequence())


def read_compressed(message: bytes) -> RawCompressed:
    """Reads the fields of a serialised `sensor_msgs/CompressedImage`; raises as `read_image` does."""
    reader = _Reader(message)
    return RawCompressed(reader.stamp(), reader.string("frame_id"), reader.string("format"), reader.sequence())


def read_stamp(message: bytes) -> Stamp:
    """Reads the stamp of any serialised message that begins with a `std_msgs/Header`.

    Raises:
        FrameError: "cdr": it is cut short, or in another layout than classic CDR.
    """
    try:
        return _Reader(message).stamp()
    except OtherLayoutError as error:
        raise FrameError("cdr", f"expected classic CDR, got the encoding {error}: have it published by DDS") from error


def check_text(name: str, text: str) -> None:
    """Refuses a string of a message that is longer than `MAX_TEXT`; raises `FrameError` "text"."""
    _check_text(name, len(text.encode()))


def _check_text(name: str, size: int) -> None:
    if size > MAX_TEXT:
        raise FrameError("text", f"{name} must have at most {MAX_TEXT} bytes, got {size}: a name, or nothing")


def write_image(stamp: Stamp, frame_id: str, pixels: np.ndarray, encoding: str) -> bytes:
    """Writes a serialised `sensor_msgs/Image`, little-endian, `step == width * bytes per pixel`, copying pixels once.

    Args:
        pixels: `(H, W)` or `(H, W, C)`, contiguous, little-endian, as `encoding` defines.
    """
    step = pixels.shape[1] * math.prod(pixels.shape[2:]) * pixels.itemsize
    return write_encoded(stamp, frame_id, pixels.shape[:2], encoding, step, pixels.reshape(-1).view(np.uint8))


def write_encoded(
    stamp: Stamp, frame_id: str, size: tuple[int, int], encoding: str, step: int, data: np.ndarray
) -> bytes:
    """Writes a serialised `sensor_msgs/Image`, little-endian, whose `data` need not be rows of pixels.

    Args:
        size: `(H, W)` to declare.
        step: bytes of a row to declare.
        data: `(N,) uint8`, contiguous.
    """
    fields = _image_fields(frame_id, *size, encoding, step)
    return b"".join((_LITTLE_ENDIAN, struct.pack("<iI", *stamp), fields, struct.pack("<I", data.size), data.data))


def write_compressed(stamp: Stamp, frame_id: str, form: str, stream: np.ndarray) -> bytes:
    """Writes a serialised `sensor_msgs/CompressedImage`, little-endian. `stream` is one-dimensional uint8."""
    fields = _aligned(_string(frame_id)) + _aligned(_string(form)) + struct.pack("<I", stream.size)
    return b"".join((_LITTLE_ENDIAN, struct.pack("<iI", *stamp), fields, stream.data))


@functools.lru_cache(maxsize=256)
def _image_fields(frame_id: str, height: int, width: int, encoding: str, step: int) -> bytes:
    """Writes what is between the stamp and the number of bytes: the same for every frame of a camera."""
    size = struct.pack("<II", height, width)
    tail = _aligned(_string(encoding) + b"\x00")  # the zero: is_bigendian
    return _aligned(_string(frame_id)) + size + tail + struct.pack("<I", step)


def write_line_list(stamp: Stamp, frame_id: str, lines: np.ndarray, colors: np.ndarray, width: float) -> bytes:
    """Writes a serialised `visualization_msgs/ImageMarker` of the type LINE_LIST, little-endian.

    Args:
        lines: `(N, 2, 2)`, `(x, y)` pixels of both ends of each line.
        colors: `(N, 4)`, red, green, blue and opacity of each line, 0..1.
        width: of the lines, pixels.
    """
    count = len(lines)
    points = np.zeros((2 * count, 3), "<f8")  # z is 0
    points[:, :2] = lines.reshape(-1, 2)
    name = _aligned(_string(frame_id)) + _aligned(_string(""))  # no namespace; id 0: each replaces the one before
    head = struct.pack("<iI", *stamp) + name + struct.pack("<iii", 0, _LINE_LIST, _ADD)
    # Position, width, a colour for all, no filling, no end of its life; then as many points as there are.
    fields = struct.pack("<3d f4f B3x4f iI I", 0, 0, 0, width, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2 * count)
    body = head + bytes(-len(head) % 8) + fields
    padding = bytes(-len(body) % 8 if count else 0)
    end = struct.pack("<I", count), np.ascontiguousarray(colors, "<f4").reshape(-1).view(np.uint8).data
    return b"".join((_LITTLE_ENDIAN, body, padding, points.reshape(-1).view(np.uint8).data, *end))


def _string(text: str) -> bytes:
    coded = text.encode() + b"\x00"
    return struct.pack("<I", len(coded)) + coded


def _aligned(fields: bytes) -> bytes:
    """Pads `fields`, which start at a multiple of four, to the next one."""
    return fields + bytes(-len(fields) % 4)


class _Reader:
    """Takes one field after the other; nothing is allocated by a size that a field declares."""

    def __init__(self, message: bytes) -> None:
        order = _BYTE_ORDER.get(bytes(message[:2]))
        if order is None:
            raise OtherLayoutError(bytes(message[:4]).hex())
        self._number, self._stamp = struct.Struct(order + "I"), struct.Struct(order + "iI")
        self._body = memoryview(message)[4:]
        self._at = 0

    def stamp(self) -> Stamp:
        return self._unpack(self._stamp)

    def number(self) -> int:
        self._at += -self._at % 4
        return self._unpack(self._number)[0]

    def byte(self) -> int:
        return self._bytes(1)[0]

    def string(self, name: str) -> str:
        text = self._bytes(self.number())
        _check_text(name, len(text) - (text[-1:] == b"\x00"))
        # As rclpy reads it: up to the first zero, and what is not UTF-8 replaced.
        return bytes(text).partition(b"\x00")[0].decode(errors="replace")

    def sequence(self) -> memoryview:
        return self._bytes(self.number())

    def _unpack(self, form: struct.Struct) -> tuple:
        return form.unpack(self._bytes(form.size))

    def _bytes(self, count: int) -> memoryview:
        end = self._at + count
        if end > len(self._body):
            what = f"a field of {count} bytes at byte {self._at}"
            raise FrameError("cdr", f"the message has {len(self._body)} bytes, and {what}: it was cut short or damaged")
        field, self._at = self._body[self._at : end], end
        return field
