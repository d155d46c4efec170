"""Frames of serialised messages: those of the messages themselves, or refused; damage is never another error."""

import array
import functools
import random
import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_ros.errors import FrameError
from seg_ros.ros import deserialize, image_io
from seg_ros.ros.cdr import OtherLayoutError, read_compressed, read_image
from seg_ros.ros.encodings import ENCODINGS
from seg_ros.ros.image_io import decode_compressed, decode_image, decode_serialized
from test.ros.serialized import by_the_book, fields_of, picture


@pytest.mark.parametrize("order", "<>")
def test_every_cut_is_noticed(order):
    whole, _ = by_the_book(order, fields_of(picture()))
    decode_serialized(whole, Image)
    for length in range(len(whole)):
        cut = whole[:length]
        with pytest.raises(FrameError if length > 1 else OtherLayoutError) as caught:
            read_image(cut)
        assert length < 2 or caught.value.reason == "cdr"
        with pytest.raises(FrameError) as caught:
            decode_serialized(cut, Image)
        assert caught.value.reason == "cdr"
    jpeg, _ = by_the_book(order, fields_of(CompressedImage(format="jpeg", data=b"\xff\xd8\xff")))
    for length in range(len(jpeg)):
        with pytest.raises(FrameError) as caught:
            decode_serialized(jpeg[:length], CompressedImage)
        assert caught.value.reason == "cdr"


@pytest.mark.parametrize("kind", [Image, CompressedImage])
def test_damage_is_never_another_error(kind):
    rng = random.Random(6)
    whole = serialize_message(
        picture()
        if kind is Image
        else CompressedImage(header=picture().header, format="jpeg", data=rng.randbytes(2000))
    )
    ends = set()
    for _ in range(1000):
        message = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            message[rng.randrange(4, len(message))] = rng.randrange(256)  # the encoding's name has its own test
        try:
            decode_serialized(bytes(message), kind)
            ends.add("frame")
        except FrameError as error:
            ends.add(error.reason)
    expected = {"cdr", "size", "encoding", "step", "truncated", "frame"} if kind is Image else {"cdr", "encoding"}
    assert ends == expected


@pytest.mark.parametrize("at", [12, 28, 44])
def test_declared_sizes_allocate_nothing(at):
    """The lengths of frame_id, encoding and data."""
    message = bytearray(by_the_book("<", fields_of(picture()))[0])
    assert struct.unpack_from("<I", message, at)[0] in (len(b"eye\0"), len(b"rgb8\0"), 18)
    struct.pack_into("<I", message, at, 0xFFFFFFF0)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="4294967280 bytes"):
            decode_serialized(bytes(message), Image)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", ["frame_id", "encoding", "format"])
def test_long_texts_are_refused(field):
    """However they are serialised, and before they are kept."""
    for size, refused in ((256, False), (257, True), (8_000_000, True)):
        msg = CompressedImage(data=b"none") if field == "format" else picture()
        setattr(msg.header if field == "frame_id" else msg, field, "x" * size)
        decode = decode_compressed if field == "format" else decode_image
        serialised = functools.partial(decode_serialized, serialize_message(msg), type(msg))
        for call in (serialised, functools.partial(decode, msg)):
            if refused or field != "frame_id":
                with pytest.raises(FrameError) as caught:
                    call()
                assert (caught.value.reason == "text") == refused
                assert not refused or f"{field} must have at most 256 bytes, got {size}" in str(caught.value)
            else:
                assert call().frame_id == "x" * size


def assert_same_frame(one, other):
    assert (one.bgr, one.stamp, one.frame_id) == (other.bgr, other.stamp, other.frame_id)
    np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_serialised_image_is_the_frame_of_its_message(encoding):
    rng, form = random.Random(7), ENCODINGS[encoding]
    for _ in range(10):
        height, width = (rng.randrange(4, 40, 2) + (m == 1 and rng.randrange(2)) for m in form.multiple)
        step = width * form.channels * (2 if form.wide else 1) + rng.choice([0, 0, 1, 8])
        msg = picture(height, width, encoding, step, rng)
        msg.is_bigendian = rng.randrange(2)
        frame = decode_serialized(serialize_message(msg), Image)
        assert_same_frame(frame, decode_image(msg))
        assert (frame.height, frame.width, frame.stamp, frame.frame_id) == (height, width, (-7, 8), "eye")
        assert_same_frame(decode_serialized(by_the_book(">", fields_of(msg))[0], Image), frame)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_serialised_stream_is_the_frame_of_its_message(suffix):
    pixels = np.random.default_rng(8).integers(0, 256, (20, 30, 3), np.uint8)
    data = array.array("B", cv2.imencode(suffix, pixels)[1].tobytes())
    msg = CompressedImage(header=Header(stamp=Time(sec=-7, nanosec=8), frame_id="eye"), format="any", data=data)
    assert_same_frame(decode_serialized(serialize_message(msg), CompressedImage), decode_compressed(msg))


def test_the_pixels_of_a_frame_are_those_of_the_message():
    message = serialize_message(picture())
    assert np.shares_memory(decode_serialized(message, Image).pixels, np.frombuffer(message, np.uint8))


@pytest.mark.parametrize("kind", [Image, CompressedImage])
@pytest.mark.parametrize("name", [b"\0\2", b"\0\3", b"\0\6", b"\0\7", b"\0\x0a", b"\0\x0b", b"\1\0", b"\xff\xff"])
def test_another_layout_is_the_middlewares(kind, name):
    message = name + serialize_message(picture() if kind is Image else CompressedImage(data=b"no picture"))[2:]
    with pytest.raises(OtherLayoutError, match=name.hex()):
        (read_image if kind is Image else read_compressed)(message)
    try:
        msg = deserialize_message(message, kind)
    except Exception:  # rclpy's own
        with pytest.raises(FrameError, match=kind.__name__) as caught:
            decode_serialized(message, kind)
        assert caught.value.reason == "cdr"
    else:
        if kind is Image:
            assert_same_frame(decode_serialized(message, kind), decode_image(msg))
        else:
            with pytest.raises(FrameError, match="JPEG or PNG"):
                decode_serialized(message, kind)


def test_what_the_middleware_reads_of_another_layout_is_the_frame(monkeypatch):
    msg, asked = picture(), []
    monkeypatch.setattr(deserialize, "deserialize_message", lambda *given: asked.append(given) or msg)
    assert_same_frame(decode_serialized(b"\0\x09\0\0", Image), decode_image(msg))
    assert asked == [(b"\0\x09\0\0", Image)]


def test_an_encoding_that_only_cv_bridge_may_know_is_read_as_a_message(monkeypatch):
    given = []
    monkeypatch.setattr(image_io, "_by_cv_bridge", lambda msg: given.append(msg) or np.zeros((2, 3, 3), np.uint8))
    msg = picture()
    msg.encoding = "odd8"
    assert decode_serialized(serialize_message(msg), Image).frame_id == "eye"
    assert given == [msg]
