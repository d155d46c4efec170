"""PNG streams of broken structure, whose checksums mostly agree: chunks moved, repeated, changed; data of any size."""

import struct
import zlib

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from hypothesis import strategies as st

from seg_ros.ros import streams
from test.fuzz.budget import CORPUS, answer, fuzz

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(stream):
    found, at = [], len(SIGNATURE)
    while at < len(stream):
        length, kind = struct.unpack_from(">I4s", stream, at)
        found.append((kind, stream[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def written(kind, body, wrong=0):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


SAMPLES = [chunks(file.read_bytes()) for file in sorted(CORPUS.glob("*.png"))]


def other_data(draw, body):
    """Deflated data that are longer, shorter or other than they were."""
    try:
        rows = zlib.decompress(body)
    except zlib.error:
        return draw(st.binary(max_size=50))
    size = draw(st.sampled_from([0, len(rows) // 2, len(rows) + 1, 2 * len(rows), 10_000_000]))
    return zlib.compress(draw(st.binary(max_size=8)) + rows[:size].ljust(size, b"\0"), 1)


@st.composite
def broken(draw):
    found = list(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(0, 4))):
        i = draw(st.integers(0, len(found) - 1))
        (kind, body), change = found[i], draw(st.integers(0, 6))
        if change == 0:
            found.insert(draw(st.integers(0, len(found))), (kind, body))
        elif change == 1 and len(found) > 1:
            del found[i]
        elif change == 2 and kind == b"IHDR" and len(body) == 13:
            sides = st.sampled_from([0, 1, 9, 480, 6000, 16384, 2**31, 2**32 - 1])
            found[i] = kind, struct.pack(">II", draw(sides), draw(sides)) + body[8:]
        elif change == 3 and body:
            at = draw(st.integers(0, len(body) - 1))
            found[i] = kind, body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
        elif change == 4 and kind == b"IDAT":
            found[i] = kind, other_data(draw, body)
        elif change == 5:
            other = draw(st.sampled_from([b"zTXt", b"iCCP", b"acTL", b"fcTL", b"PLTE", b"tRNS", b"CgBI", b"IDAT"]))
            found.insert(i, (other, draw(st.binary(max_size=30))))
        else:
            found[i:i] = [(kind, body)] * draw(st.sampled_from([2, 100]))
    wrong = draw(st.sampled_from([-1] * 9 + [0]))
    stream = SIGNATURE + b"".join(written(*each, wrong=i == wrong) for i, each in enumerate(found))
    return stream[: draw(st.integers(0, len(stream)))] if draw(st.integers(0, 9)) == 0 else stream


@fuzz(broken())
def test_a_broken_png_is_a_picture_or_refused(stream):
    decoded = answer(("encoding", "size", "corrupt"), streams.decode_stream, stream)
    if decoded is None:
        return
    pixels, damage = decoded
    assert pixels.dtype == np.uint8
    assert pixels.shape[2:] == (3,)
    assert pixels.shape[:2] == struct.unpack(">II", stream[16:24])[::-1]
    assert not damage
