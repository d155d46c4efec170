"""Decodes JPEG and PNG streams: what decoding will cost is known before it begins, and damage does not go unnoticed.

A few kilobytes can declare any size, and repeat work on every pixel thousands of times. So the size is what the decoder
itself reads, and a stream is decoded only if that takes about `MAX_WORK` at most.
"""

from __future__ import annotations

import struct
import time
import zlib
from typing import Any, NamedTuple

import cv2
import numpy as np
import simplejpeg

from seg_ros.errors import FrameError

MAX_SIDE = 16384
"""Largest height and width taken for a real image, in pixels."""

MAX_COMPRESSED_PIXELS = 36 * 2**20
"""Largest compressed image that is decoded, 8K with some room."""

MAX_WORK = 0.2
"""Longest that decoding one stream may take, in seconds, as measured on one core of an AMD EPYC with AVX2."""

_INFLATING = 0.5
"""Seconds of CPU time after which inflating is given up: only streams made to be slow come near it."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type, the samples of a pixel."""
_PNG_CHUNKS = 16384
"""Most chunks: what libpng writes, 8 kB each, of the largest image."""
_PIECE = 2**16
"""Bytes that are inflated at once."""

_NO_JPEG = ValueError, KeyError
"""What simplejpeg raises; KeyError for a header that it reads and that says no colours."""
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})
"""Second bytes of JPEG's markers that have no length behind them; none belongs before the first scan."""


class Decoded(NamedTuple):
    """A decoded stream.

    Attributes:
        pixels: `(H, W, 3) uint8` BGR.
        damage: what the decoder complained of; empty for a whole picture.
    """

    pixels: np.ndarray
    damage: str = ""


def decode_stream(data: Any, damaged: bool = False) -> Decoded:
    """Decodes a JPEG or PNG stream, any contiguous buffer of bytes.

    The camera's pixels stay as they are: an orientation tag must not turn them away from the camera's model.

    Args:
        damaged: whether to return a damaged JPEG as far as it decodes.

    Raises:
        FrameError: "encoding" for another codec; "size", before anything is decoded, for an image that is too large or
            takes too long; "corrupt" for damage.
    """
    view = memoryview(data).cast("B")
    head = bytes(view[:8])
    if head.startswith(b"\xff\xd8\xff"):
        return _decode_jpeg(view, damaged)
    if head == _PNG:
        return Decoded(_decode_png(view))
    raise FrameError("encoding", f"expected a JPEG or PNG stream, got one that starts with {head.hex(' ')!r}")


def check_size(height: int, width: int) -> None:
    """Refuses what no camera has; raises `FrameError`."""
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise FrameError("size", f"height and width must be in 1..{MAX_SIDE}, got {width}x{height} (width x height)")


def _check_pixels(height: int, width: int) -> None:
    check_size(height, width)
    if height * width > MAX_COMPRESSED_PIXELS:
        raise FrameError("size", f"{width}x{height} exceeds {MAX_COMPRESSED_PIXELS} pixels for a compressed image")


def _check_work(seconds: float, what: str) -> None:
    if seconds > MAX_WORK:
        took = f"would take {1e3 * seconds:.0f} ms of work, {1e3 * MAX_WORK:.0f} are allowed"
        raise FrameError("size", f"decoding {what} {took}: send smaller, or plain baseline JPEG images")


def _decode_jpeg(view: memoryview, damaged: bool) -> Decoded:
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(view, strict=False)
    except _NO_JPEG as error:
        raise FrameError("corrupt", f"the JPEG stream was cut short or damaged: {error}") from error
    _check_pixels(height, width)
    scans = _jpeg_scans(view)
    # Measured. Several scans keep all coefficients in memory, and each scan visits them.
    pixel = 2e-9 if scans == 1 else (10 + scans) * 1e-9
    work = height * width * pixel + len(view) * 12e-9
    _check_work(work, f"a JPEG of {width}x{height}, {len(view)} bytes and {scans} scans")
    try:
        return Decoded(simplejpeg.decode_jpeg(view, "BGR"))
    except _NO_JPEG as error:  # what libjpeg only warns of, too
        damage = str(error)
        if not damaged:
            raise FrameError("corrupt", f"the JPEG is damaged: {damage}; damaged_images allows it") from error
    try:
        return Decoded(simplejpeg.decode_jpeg(view, "BGR", strict=False), damage)
    except _NO_JPEG as error:
        raise FrameError("corrupt", f"the JPEG is damaged: {error}") from error


def _jpeg_scans(view: memoryview) -> int:
    """At most how many scans a JPEG has; 1 only if that one holds the whole picture.

    Entropy-coded data never hold the two bytes that begin a scan, so they are counted; segments before the first scan
    may hold a preview, so they are skipped, exactly as libjpeg does.
    """
    at, process, components = 2, -1, 0
    while at + 10 <= len(view) and view[at] == 0xFF and view[at + 1] not in _NO_SEGMENT:
        marker, length = view[at + 1], struct.unpack_from(">H", view, at + 2)[0]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xDA:
            if process in (0, 1) and view[at + 4] == components:
                return 1
            return max(2, bytes(view[at:]).count(b"\xff\xda"))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            process, components = marker - 0xC0, view[at + 9]
            if process > 2:  # its decoder works without bound on a few bytes
                raise FrameError("encoding", f"expected a baseline or progressive JPEG, got process {process}")
        if length < 2:
            break
        at += 2 + length
    raise FrameError("corrupt", f"the JPEG stream has no scan: it was cut short or damaged at byte {at}")


def _decode_png(view: memoryview) -> np.ndarray:
    """`(H, W, 3) uint8` BGR. libpng gets the chunks that make the picture and no more, its data already inflated."""
    critical, data = _png_chunks(view)
    if bytes(view[8:16]) != b"\x00\x00\x00\x0dIHDR":
        raise FrameError("corrupt", "the PNG stream does not start with its IHDR chunk")
    width, height, depth, colour = struct.unpack_from(">IIBB", view, 16)
    if colour not in _PNG_SAMPLES or depth > 16:
        raise FrameError("corrupt", f"PNG knows no colour type {colour} of {depth} bits")
    _check_pixels(height, width)
    row = (width * depth * _PNG_SAMPLES[colour] + 7) // 8
    work = height * width * 5e-9 + height * row * 6e-9  # measured
    _check_work(work, f"a PNG of {width}x{height}")
    # Interlaced rows are less than twice as many.
    rows = _inflated(b"".join(data), height * (row + 4) + 16)
    whole = [_PNG, *critical, _png_chunk(b"IDAT", zlib.compress(rows, 0)), _png_chunk(b"IEND", b"")]
    try:
        array = cv2.imdecode(np.frombuffer(b"".join(whole), np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise FrameError("corrupt", f"OpenCV cannot decode the {width}x{height} PNG: {error}") from error
    if array is None or array.shape != (height, width, 3):
        raise FrameError("corrupt", f"OpenCV cannot decode the {width}x{height} PNG: the stream is damaged")
    return array


def _png_chunks(view: memoryview) -> tuple[list[memoryview], list[memoryview]]:
    """The whole chunks that say how to read the picture, and the contents of those that hold it."""
    at, critical, data = len(_PNG), [], []
    for _ in range(_PNG_CHUNKS):
        if at + 12 > len(view):
            break
        length, kind = struct.unpack_from(">I4s", view, at)
        end = at + 12 + length
        if end > len(view):
            break
        if kind == b"IEND":
            return critical, data
        if kind == b"IDAT":
            data.append(view[at + 8 : end - 4])
        elif not kind[0] & 0x20:  # the others are comments, profiles and animations
            critical.append(view[at:end])
        at = end
    else:
        raise FrameError("corrupt", f"a PNG of more than {_PNG_CHUNKS} chunks")
    raise FrameError("corrupt", "the PNG stream ends before its IEND chunk: it was cut short")


def _inflated(data: bytes, most: int) -> bytes:
    """Inflates `data` to at most `most` bytes; the checksum at their end agrees."""
    inflater, parts, room, end = zlib.decompressobj(), [], most, time.thread_time() + _INFLATING
    try:
        for at in range(0, len(data), _PIECE):
            parts.append(inflater.decompress(data[at : at + _PIECE], room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise FrameError("corrupt", f"the PNG holds more than the {most} bytes of its size")
            if inflater.eof:
                return b"".join(parts)
            if time.thread_time() > end:
                raise FrameError("size", f"the PNG takes more than {1e3 * _INFLATING:.0f} ms to inflate")
    except zlib.error as error:
        raise FrameError("corrupt", f"the PNG is damaged: {error}") from error
    raise FrameError("corrupt", "the PNG's data were cut short")


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
