"""JPEG streams of broken structure: segments moved, repeated, of wrong length; markers that stand alone; torn scans."""

import struct

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import strategies as st

from seg_ros.ros import streams
from test.fuzz.budget import CORPUS, answer, fuzz

SAMPLES = [file.read_bytes() for file in sorted(CORPUS.glob("*.jpg"))]


def parts(stream):
    """Its markers, each with what follows up to the next."""
    starts = [i for i in range(len(stream) - 1) if stream[i] == 0xFF and stream[i + 1] not in (0, 0xFF)]
    return [stream[a:b] for a, b in zip(starts, [*starts[1:], len(stream)], strict=True)]


def sized(height, width):
    """Changes the size in a frame header, and no other part."""
    size = struct.pack(">HH", height, width)
    return lambda part: part[:5] + size + part[9:] if part[1:2] in (b"\xc0", b"\xc1", b"\xc2") else part


@st.composite
def broken(draw):
    found = parts(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 4))):
        i = draw(st.integers(0, len(found) - 1))
        part, kind = found[i], draw(st.integers(0, 8))
        if kind == 0:
            found.insert(draw(st.integers(0, len(found))), part)
        elif kind == 1:
            found.insert(i, bytes((0xFF, draw(st.sampled_from([0x01, 0xD0, 0xD8, 0xD9, 0xFF, 0xC8, 0xFE, 0xDA])))))
        elif kind == 2 and len(found) > 2:
            del found[i]
        elif kind == 3:
            found[i] = part[:2] + struct.pack(">H", draw(st.integers(0, 65535))) + part[4:]
        elif kind == 4:
            at = draw(st.integers(0, len(part)))
            found[i] = part[:at] + draw(st.binary(max_size=20)) + part[at + draw(st.integers(0, 40)) :]
        elif kind == 5:
            sides = st.sampled_from([0, 1, 7, 16, 480, 6000, 16384, 16385, 32000, 65535])
            found = list(map(sized(draw(sides), draw(sides)), found))
        elif kind == 6:
            found[i:i] = [part] * draw(st.sampled_from([10, 1000]))
        elif kind == 7:
            found[i] = bytes((0xFF, draw(st.integers(0xC0, 0xFE)))) + part[2:]
        else:
            found = found[: i + 1]
    return b"".join(found)


@fuzz(broken(), st.booleans())
def test_a_broken_jpeg_is_a_picture_or_refused(stream, damaged):
    decoded = answer(("encoding", "size", "corrupt"), streams.decode_stream, stream, damaged)
    if decoded is None:
        return
    pixels, damage = decoded
    assert pixels.dtype == np.uint8
    assert pixels.shape[2:] == (3,)
    assert pixels.size <= 3 * streams.MAX_COMPRESSED_PIXELS
    assert damaged or not damage
