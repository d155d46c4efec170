"""Serialised images of broken structure: lengths that lie, fields that do not fit, texts of any size, both orders."""

import struct

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("rclpy", reason="rclpy is not installed")

from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.cdr import MAX_TEXT
from seg_ros.ros.encodings import ENCODINGS
from seg_ros.ros.image_io import decode_serialized
from test.fuzz.budget import CORPUS, answer, fuzz

REASONS = {"cdr", "text", "size", "encoding", "step", "truncated", "corrupt"}
STREAMS = [file.read_bytes() for file in sorted(CORPUS.iterdir())]

numbers = st.sampled_from([0, 1, 2, 3, 4, 6, 12, 24, 72, 255, 16384, 16385, 2**31, 2**32 - 1])
texts = st.one_of(st.binary(max_size=12), st.sampled_from([bytes(300), b"a" * 256, b"a" * 257, b"\x1b[2J\n" * 60]))
encodings = st.one_of(st.sampled_from([name.encode() for name in ENCODINGS]), texts)


class Writer:
    """Writes fields as classic CDR has them, except that a length may lie."""

    def __init__(self, draw):
        self._draw, self.order = draw, draw(st.sampled_from("<>"))
        self._body = bytearray()

    def number(self, value, form="I"):
        self._body += bytes(-len(self._body) % 4) + struct.pack(self.order + form, value)

    def octets(self, value):
        lie = self._draw(st.integers(0, 15)) == 0
        self.number(self._draw(numbers) if lie else len(value))
        self._body += value

    def text(self, value):
        self.octets(value + b"\0" if self._draw(st.integers(0, 7)) else value)

    def byte(self, value):
        self._body.append(value)

    def message(self):
        head = b"\0\1" if self.order == "<" else b"\0\0"
        if self._draw(st.integers(0, 15)) == 0:
            head = self._draw(st.binary(min_size=2, max_size=2))  # the middleware reads it, or refuses it
        message = head + b"\0\0" + bytes(self._body)
        return message[: self._draw(st.integers(0, len(message)))] if self._draw(st.integers(0, 7)) == 0 else message


@st.composite
def messages(draw):
    kind, write = draw(st.sampled_from([Image, CompressedImage])), Writer(draw)
    write.number(draw(st.integers(-(2**31), 2**31 - 1)), "i")
    write.number(draw(numbers))
    write.text(draw(texts))
    if kind is CompressedImage:
        write.text(draw(texts))
        write.octets(draw(st.one_of(st.sampled_from(STREAMS), st.binary(max_size=50))))
        return kind, write.message()
    fits = draw(st.booleans())
    encoding = draw(encodings)
    form = ENCODINGS.get(encoding.decode(errors="replace"))
    height, width = (4, 6) if fits else (draw(numbers), draw(numbers))
    step = 6 * form.channels * (2 if form.wide else 1) if fits and form else draw(numbers)
    write.number(height)
    write.number(width)
    write.text(encoding)
    write.byte(draw(st.integers(0, 255)))
    write.number(step)
    write.octets(bytes(step * 4 * form.rows // 2) if fits and form else draw(st.binary(max_size=100)))
    return kind, write.message()


@fuzz(messages())
def test_a_broken_message_is_a_frame_or_refused(message):
    kind, data = message
    frame = answer(REASONS, decode_serialized, data, kind)
    if frame is None:
        return
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.shape == (frame.height, frame.width, 3)
    assert len(frame.frame_id) <= MAX_TEXT
