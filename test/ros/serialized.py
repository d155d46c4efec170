"""Camera messages, and a writer of CDR that shares nothing with the code under test."""

import array
import random
import struct

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_ros.ros.encodings import ENCODINGS


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


def picture(height=2, width=3, encoding="rgb8", step=9, rng=None):
    rng = rng or random.Random(0)
    form = ENCODINGS[encoding]
    data = array.array("B", rng.randbytes(step * height * form.rows // 2))
    header = Header(stamp=Time(sec=-7, nanosec=8), frame_id="eye")
    return Image(header=header, height=height, width=width, encoding=encoding, step=step, data=data)


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
