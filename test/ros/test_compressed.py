"""Compressed camera messages: JPEG and PNG, sizes read before decoding, cut and damaged streams, a fuzz."""

import array
import random
import struct
import zlib

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from seg_ros.errors import FrameError
from seg_ros.ros import streams
from seg_ros.ros.image_io import decode_compressed
from seg_ros.ros.streams import decode_stream

HEADER = Header(stamp=Time(sec=7, nanosec=999_999_999), frame_id="front/camera")
REASONS = {"size", "encoding", "corrupt", "frame"}


def compressed(data, text="jpeg"):
    return CompressedImage(header=HEADER, format=text, data=array.array("B", bytes(data)))


def refused(decode, msg):
    with pytest.raises(FrameError) as caught:
        decode(msg)
    return caught.value


@pytest.fixture
def picture():
    """A smooth `(H, W, 3)` BGR picture, so that JPEG comes close to it."""
    y, x = np.mgrid[0:48, 0:65]
    return np.stack([y * 5, x * 3, 255 - x - y], -1).astype(np.uint8)


@pytest.mark.parametrize("text", ["png", "bgr8; jpeg compressed bgr8", "rgb8; png compressed ", ""])
def test_compressed(picture, text):
    png = decode_compressed(compressed(cv2.imencode(".png", picture)[1], text))
    np.testing.assert_array_equal(png.pixels, picture)
    jpeg = decode_compressed(compressed(cv2.imencode(".jpg", picture)[1], text))
    assert np.abs(jpeg.pixels.astype(int) - picture).max() < 20
    assert (png.stamp, png.frame_id) == ((7, 999_999_999), "front/camera")
    assert png.bgr
    assert jpeg.bgr


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_alpha_and_16_bit_png(shape, dtype):
    values = np.full(shape, 200 if dtype == np.uint8 else 200 * 257, dtype)
    frame = decode_compressed(compressed(cv2.imencode(".png", values)[1]))
    np.testing.assert_array_equal(frame.pixels, np.full((9, 7, 3), 200))


def test_progressive_jpeg_and_orientation_tag(picture):
    stream = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHHI", 0x0112, 3, 1, 6, 0, 0)
    exif = b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff
    assert cv2.imdecode(np.frombuffer(stream[:2] + exif + stream[2:], np.uint8), 1).shape == (65, 48, 3)
    assert decode_stream(stream[:2] + exif + stream[2:]).pixels.shape == (48, 65, 3)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(width, height):
    body = zlib.compress(bytes(1_000_000))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg_bomb(picture, width, height):
    stream = bytearray(cv2.imencode(".jpg", picture)[1].tobytes())
    at = stream.index(b"\xff\xc0")
    stream[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(stream)


def test_bombs_are_refused_before_decoding(picture):
    for width, height in ((60000, 60000), (16385, 1), (1, 16385), (16384, 4097), (0, 5)):
        for stream in (png_bomb(width, height), jpeg_bomb(picture, width, height)):
            # A JPEG without pixels is none to libjpeg.
            none = width == 0 and stream[0] == 0xFF
            assert refused(decode_stream, stream).reason == ("corrupt" if none else "size")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_cut_is_noticed(picture, suffix):
    stream = cv2.imencode(suffix, picture)[1].tobytes()
    assert {refused(decode_stream, stream[:n]).reason for n in range(8, len(stream))} == {"corrupt"}
    assert {refused(decode_stream, stream[:n]).reason for n in range(3)} == {"encoding"}
    assert decode_stream(stream + bytes(9)).pixels.shape == picture.shape


def segment(marker, body):
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize("alone", [0x01, *range(0xD0, 0xD8)])
def test_a_size_behind_a_marker_without_length_is_no_secret(picture, alone):
    """libjpeg reads nothing behind such a marker; a reader that skips a length there sees the small frame header."""
    stream = cv2.imencode(".jpg", picture)[1].tobytes()
    at = stream.index(b"\xff\xc0")
    head = stream[at : at + 19]
    large = head[:5] + struct.pack(">HH", 32000, 32000) + head[9:]
    hidden = segment(0xFE, large[2:] + b"\xff\xfe")  # whatever is skipped there
    for trick in (bytes((0xFF, alone)) + large, bytes((0xFF, alone)) + hidden + large):
        assert refused(decode_stream, stream[:2] + trick + stream[2:]).reason in ("size", "corrupt")


def of_scans(height, width, scans):
    """A progressive JPEG without a flaw: one grey, then `scans` scans that change nothing, of a few bytes each."""
    blocks = -(-height // 8) * -(-width // 8)
    tables = segment(0xDB, b"\0" + bytes([1] * 64))
    tables += segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\0")
    for kind, symbol in ((0x00, 0x00), (0x10, 0xE0)):  # one code of one bit: no difference; the end of 2**14 blocks
        tables += segment(0xC4, bytes([kind, 1]) + bytes(15) + bytes([symbol]))
    runs = "".join(f"0{0:014b}" for _ in range(blocks // 2**14 + 1))
    runs = bytes(int(runs[i : i + 8].ljust(8, "1"), 2) for i in range(0, len(runs), 8))
    flat = bytes(blocks // 8 + 1)
    each = segment(0xDA, b"\x01\x01\0\x01\x3f\0") + runs
    return b"\xff\xd8" + tables + segment(0xDA, b"\x01\x01\0\0\0\0") + flat + each * scans + b"\xff\xd9"


def test_scans_are_limited_before_they_are_decoded(monkeypatch):
    assert decode_stream(of_scans(128, 128, 20)).pixels.shape == (128, 128, 3)
    monkeypatch.setattr(streams.simplejpeg, "decode_jpeg", lambda *_, **__: pytest.fail("it is decoded"))
    error = refused(decode_stream, of_scans(6000, 6000, 3000))
    assert error.reason == "size"
    assert "3001 scans" in str(error)


def test_a_preview_is_no_scan(picture):
    stream = cv2.imencode(".jpg", picture)[1].tobytes()
    preview = segment(0xE1, b"Exif\0\0" + stream)
    assert (
        streams._jpeg_scans(memoryview(stream))
        == streams._jpeg_scans(memoryview(stream[:2] + preview + stream[2:]))
        == 1
    )
    progressive = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert streams._jpeg_scans(memoryview(progressive[:2] + preview + progressive[2:])) == 10


def test_what_decodes_without_bound_is_refused(picture):
    stream = cv2.imencode(".jpg", picture)[1].tobytes()
    arithmetic = stream.replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert refused(decode_stream, arithmetic).reason == "encoding"


def test_a_motion_jpeg_without_tables_is_whole(picture):
    """What many USB cameras send: the tables are those of the standard."""
    stream = cv2.imencode(".jpg", picture)[1].tobytes()
    bare = stream
    while (at := bare.find(b"\xff\xc4")) >= 0:
        bare = bare[:at] + bare[at + 2 + struct.unpack_from(">H", bare, at + 2)[0] :]
    np.testing.assert_array_equal(decode_stream(bare).pixels, decode_stream(stream).pixels)


def noticed(stream):
    """Why the stream is refused; empty if it is not."""
    try:
        decode_stream(stream)
    except FrameError as error:
        return str(error)
    return ""


def test_damage_is_an_error_or_marked():
    """A JPEG has no checksum: what is cut out is noticed unless the decoder comes out even, by chance."""
    noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    stream = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()
    rng, unnoticed = random.Random(2), 0
    for _ in range(200):
        size = rng.randint(64, 512)
        at = rng.randrange(len(stream) // 4, 3 * len(stream) // 4 - size)
        cut = stream[:at] + stream[at + size :]
        said = noticed(cut)
        unnoticed += not said
        if said and "header" not in said and "marker type" not in said:
            whole = decode_stream(cut, damaged=True)
            assert whole.damage
            assert whole.pixels.shape == noise.shape
    assert unnoticed < 50


def test_png_data_beyond_the_picture_are_not_inflated(picture):
    rows = np.pad(picture.reshape(48, -1), ((0, 0), (1, 0))).tobytes()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 65, 48, 8, 2, 0, 0, 0))

    def png(data, extra=b""):
        return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")

    whole = zlib.compress(rows)
    assert decode_stream(png(whole)).pixels.shape == (48, 65, 3)
    error = refused(decode_stream, png(zlib.compress(rows + bytes(10_000_000))))
    assert (error.reason, "holds more" in str(error)) == ("corrupt", True)
    assert refused(decode_stream, png(whole[:-1])).reason == "corrupt"
    assert refused(decode_stream, png(whole[:-2] + b"ab")).reason == "corrupt"
    text = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(7_900_000)))
    assert decode_stream(png(whole, text * 1000)).pixels.shape == (48, 65, 3)
    assert refused(decode_stream, png(whole, chunk(b"tEXt", b"") * 20000)).reason == "corrupt"


def attempt(stream):
    """ "frame", or the reason of its refusal; any other error fails the test."""
    try:
        assert decode_stream(stream).pixels.shape[2] == 3
    except FrameError as error:
        return error.reason
    return "frame"


def test_fuzz_of_streams(picture):
    rng = random.Random(30)
    streams = [cv2.imencode(s, picture)[1].tobytes() for s in (".jpg", ".png")]
    for _ in range(1000):
        data = bytearray(rng.choice(streams))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(min(len(data), rng.choice([30, 300, 10**6])))] = rng.randrange(256)
        assert attempt(data) in REASONS


@pytest.mark.parametrize("text", ["16UC1; compressedDepth", "16UC1; png compressed ", "32FC1; compressedDepth png"])
def test_compressed_depth_is_refused(text):
    stream = cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1]
    assert "depth" in str(refused(decode_compressed, compressed(stream, text)))


def test_other_codecs_are_refused(picture):
    for stream in (b"", b"RIFF", cv2.imencode(".bmp", picture)[1].tobytes()):
        assert refused(decode_compressed, compressed(stream)).reason == "encoding"
