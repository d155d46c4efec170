"""Serialised images, read in place and written in one piece: against rclpy, and against a writer of its own."""

import array
import random

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.errors import FrameError
from seg_ros.ros.cdr import (
    RawCompressed,
    RawImage,
    read_compressed,
    read_image,
    write_compressed,
    write_image,
)
from test.ros.serialized import by_the_book, fields_of, some_compressed, some_header, some_image

WRITTEN = {"mono8": ("u1", ()), "rgb8": ("u1", (3,)), "bgr8": ("u1", (3,)), "16UC1": ("<u2", ())}


def raw(msg):
    """What must be read of a message."""
    stamp, frame_id = (msg.header.stamp.sec, msg.header.stamp.nanosec), msg.header.frame_id
    if isinstance(msg, CompressedImage):
        return RawCompressed(stamp, frame_id, msg.format, memoryview(msg.data))
    layout = msg.height, msg.width, msg.encoding, msg.is_bigendian != 0, msg.step
    return RawImage(stamp, frame_id, *layout, memoryview(msg.data))


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


def test_a_long_text_without_its_zero_is_refused():
    fields = [("i", 1), ("I", 2), ("string", b"a" * 257), ("string", b"jpeg\0"), ("octets", b"abc")]
    with pytest.raises(FrameError, match="frame_id must have at most 256 bytes, got 257"):
        read_compressed(by_the_book("<", fields)[0])
