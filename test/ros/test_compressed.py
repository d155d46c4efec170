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
