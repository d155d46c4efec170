"""Serialised images, read in place and written in one piece: against rclpy, and against a writer of its own."""

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
from seg_ros.ros import image_io
from seg_ros.ros.cdr import (
    OtherLayoutError,
    RawCompressed,
    RawImage,
    read_compressed,
    read_image,
    write_compressed,
    write_image,
)
from seg_ros.ros.encodings import ENCODINGS
from seg_ros.ros.image_io import decode_compressed, decode_image, decode_serialized

WRITTEN = {"mono8": ("u1", ()), "rgb8": ("u1", (3,)), "bgr8": ("u1", (3,)), "16UC1": ("<u2", ())}


def by_the_book(order, fields):
    """CDR in the byte order "<" or ">", and which of its bytes only align; fields are pairs of a kind and a value."""
    body, gaps = bytearray(), []
    for kind, value in fields:
        while kind != "B" and len(body) % 4:
            gaps.append(4 + len(body))
            body.append(0)
        if isinstance(value, str):
            value = value.encode() + b"\0"
        if isinstance(value, bytes):
            body += struct.pack(f"{order}I", len(value)) + value
        else:
            body += struct.pack(order + kind, value)
    return (b"\0\1\0\0" if order == "<" else b"\0\0\0\0") + bytes(body), gaps


def fields_of(msg):
    """Kinds and values of a message's fields, in their order."""
    header = [("i", msg.header.stamp.sec), ("I", msg.header.stamp.nanosec), ("string", msg.header.frame_id)]
    if isinstance(msg, CompressedImage):
        return [*header, ("string", msg.format), ("octets", bytes(msg.data))]
    layout = [("I", msg.height), ("I", msg.width), ("string", msg.encoding), ("B", msg.is_bigendian), ("I", msg.step)]
    return [*header, *layout, ("octets", bytes(msg.data))]


def raw(msg):
    """What must be read of a message."""
    stamp, frame_id = (msg.header.stamp.sec, msg.header.stamp.nanosec), msg.header.frame_id
    if isinstance(msg, CompressedImage):
        return RawCompressed(stamp, frame_id, msg.format, memoryview(msg.data))
    layout = msg.height, msg.width, msg.encoding, msg.is_bigendian != 0, msg.step
    return RawImage(stamp, frame_id, *layout, memoryview(msg.data))


def some_text(rng):
    return "".join(rng.choice("ab/_é世🙂") for _ in range(rng.randrange(12)))


def some_header(rng):
    stamp = Time(sec=rng.choice([0, -1, -(2**31), 2**31 - 1, rng.randrange(2**31)]), nanosec=rng.randrange(2**32))
    return Header(stamp=stamp, frame_id=some_text(rng))


def some_data(rng):
    return array.array("B", rng.randbytes(rng.choice([0, 1, 2, 3, 4, rng.randrange(3000)])))


def some_image(rng):
    """Any values in every field, whether or not they fit together."""
    return Image(
        header=some_header(rng),
        height=rng.randrange(2**32),
        width=rng.randrange(2**32),
        encoding=rng.choice([*ENCODINGS, "", "16UC1", some_text(rng)]),
        is_bigendian=rng.choice([0, 1, 255]),
        step=rng.randrange(2**32),
        data=some_data(rng),
    )


def some_compressed(rng):
    return CompressedImage(header=some_header(rng), format=some_text(rng), data=some_data(rng))


READ = [(some_image, read_image), (some_compressed, read_compressed)]


@pytest.mark.parametrize(("some", "read"), READ)
def test_read_as_rclpy_reads_it(some, read):
    rng = random.Random(1)
    lengths = set()
    for _ in range(300):
        message = serialize_message(some(rng))
        msg = deserialize_message(message, type(some(random.Random(0))))
        assert read(message) == raw(msg)
        lengths.add(len(msg.header.frame_id.encode()) % 4)
    assert lengths == {0, 1, 2, 3}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("some", "read"), READ)
def test_both_byte_orders_are_read(some, read, order):
    rng = random.Random(2)
    for _ in range(300):
        msg = some(rng)
        message, _ = by_the_book(order, fields_of(msg))
        assert read(message) == read(bytearray(message)) == raw(msg)


@pytest.mark.parametrize("encoding", WRITTEN)
def test_images_are_written_as_rclpy_writes_them(encoding):
    dtype, pixel = WRITTEN[encoding]
    rng, random_values = random.Random(3), np.random.default_rng(3)
    for _ in range(100):
        height, width = rng.randint(1, 20), rng.randint(1, 20)
        pixels = random_values.integers(0, 255, (height, width, *pixel)).astype(dtype)
        step, data = pixels[0].nbytes, array.array("B", pixels.tobytes())
        header = some_header(rng)
        msg = Image(header=header, height=height, width=width, encoding=encoding, step=step, data=data)
        stamp = header.stamp.sec, header.stamp.nanosec
        assert_same(write_image(stamp, header.frame_id, pixels, encoding), msg)


def test_compressed_images_are_written_as_rclpy_writes_them():
    rng = random.Random(4)
    for _ in range(300):
        msg = some_compressed(rng)
        stamp = msg.header.stamp.sec, msg.header.stamp.nanosec
        stream = np.frombuffer(msg.data, np.uint8) if msg.data else np.zeros(0, np.uint8)
        assert_same(write_compressed(stamp, msg.header.frame_id, msg.format, stream), msg)


def assert_same(written, msg):
    """As by the book, and as rclpy; but what rclpy leaves in the bytes that align is chance."""
    message, gaps = by_the_book("<", fields_of(msg))
    assert written == message
    by_rclpy = bytearray(serialize_message(msg))
    for at in gaps:
        by_rclpy[at] = 0
    assert by_rclpy == message
    assert deserialize_message(written, type(msg)) == msg


# What no tidy writer sends


ODD = [("no zero", b"eye"), ("no bytes", b""), ("two words", b"eye\0left\0"), ("no UTF-8", b"ey\xff\xfe\0")]


@pytest.mark.parametrize("text", [text for _, text in ODD], ids=[name for name, _ in ODD])
def test_odd_strings_are_read_as_rclpy_reads_them(text):
    fields = [("i", 1), ("I", 2), ("string", text), ("string", text), ("octets", b"abc")]
    message, _ = by_the_book("<", fields)
    assert read_compressed(message) == raw(deserialize_message(message, CompressedImage))


@pytest.mark.parametrize(("some", "read"), READ)
def test_what_follows_the_last_field_is_ignored(some, read):
    msg = some(random.Random(5))
    assert read(serialize_message(msg) + bytes(7)) == raw(msg)


@pytest.mark.parametrize(("kind", "read"), [(Image, read_image), (CompressedImage, read_compressed)])
def test_the_data_stay_where_they_are(kind, read):
    message = serialize_message(kind(data=array.array("B", b"abc")))
    data = np.frombuffer(read(message).data, np.uint8)
    assert bytes(data) == b"abc"
    assert np.shares_memory(data, np.frombuffer(message, np.uint8))


def picture(height=2, width=3, encoding="rgb8", step=9, rng=None):
    rng = rng or random.Random(0)
    form = ENCODINGS[encoding]
    data = array.array("B", rng.randbytes(step * height * form.rows // 2))
    header = Header(stamp=Time(sec=-7, nanosec=8), frame_id="eye")
    return Image(header=header, height=height, width=width, encoding=encoding, step=step, data=data)


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
    whole = serialize_message(picture() if kind is Image else some_compressed(rng))
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


def test_a_long_text_without_its_zero_is_refused():
    fields = [("i", 1), ("I", 2), ("string", b"a" * 257), ("string", b"jpeg\0"), ("octets", b"abc")]
    with pytest.raises(FrameError, match="frame_id must have at most 256 bytes, got 257"):
        read_compressed(by_the_book("<", fields)[0])


# As frames


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
    monkeypatch.setattr(image_io, "deserialize_message", lambda *given: asked.append(given) or msg)
    assert_same_frame(decode_serialized(b"\0\x09\0\0", Image), decode_image(msg))
    assert asked == [(b"\0\x09\0\0", Image)]


def test_an_encoding_that_only_cv_bridge_may_know_is_read_as_a_message(monkeypatch):
    given = []
    monkeypatch.setattr(image_io, "_by_cv_bridge", lambda msg: given.append(msg) or np.zeros((2, 3, 3), np.uint8))
    msg = picture()
    msg.encoding = "odd8"
    assert decode_serialized(serialize_message(msg), Image).frame_id == "eye"
    assert given == [msg]
