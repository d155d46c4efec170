"""Raw camera messages: views, malformed fields, cv_bridge, a fuzz. The encodings are in test_encodings.py."""

import array
import random
import sys
import tracemalloc
import types

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from seg_ros.errors import FrameError
from seg_ros.ros import image_io
from seg_ros.ros.encodings import ENCODINGS
from seg_ros.ros.image_io import decode_image, pixels

HEADER = Header(stamp=Time(sec=7, nanosec=999_999_999), frame_id="front/camera")
REASONS = {"size", "encoding", "step", "truncated"}


def raw(height=4, width=6, encoding="rgb8", step=18, size=None, bigendian=0):
    data = array.array("B", bytes(step * height if size is None else size))
    return Image(
        header=HEADER,
        height=height,
        width=width,
        encoding=encoding,
        step=step,
        data=data,
        is_bigendian=bigendian,
    )


def refused(decode, msg):
    with pytest.raises(FrameError) as caught:
        decode(msg)
    assert str(caught.value)
    return caught.value


@pytest.fixture
def without_cv_bridge(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    image_io._cv_bridge.cache_clear()
    yield
    image_io._cv_bridge.cache_clear()


@pytest.fixture
def fake_cv_bridge(monkeypatch):
    """A cv_bridge that knows "odd8" as blue."""

    class CvBridge:
        def imgmsg_to_cv2(self, msg, desired):
            if msg.encoding != "odd8" or desired != "bgr8":
                raise KeyError(msg.encoding)
            return np.full((msg.height, msg.width, 3), (255, 0, 0), np.uint8)

    monkeypatch.setitem(sys.modules, "cv_bridge", types.SimpleNamespace(CvBridge=CvBridge))
    image_io._cv_bridge.cache_clear()
    yield
    image_io._cv_bridge.cache_clear()


@pytest.mark.parametrize(("encoding", "bgr"), [("rgb8", False), ("bgr8", True), ("8UC3", True)])
@pytest.mark.parametrize("step", [18, 23])
def test_a_view_not_a_copy(encoding, bgr, step):
    msg = raw(encoding=encoding, step=step)
    frame = decode_image(msg)
    assert np.shares_memory(frame.pixels, np.frombuffer(msg.data, np.uint8))
    msg.data[2 * step + 3 * 3 + 1] = 99
    assert frame.pixels[2, 3, 1] == 99
    assert (frame.bgr, frame.height, frame.width, frame.pixels.strides) == (bgr, 4, 6, (step, 3, 1))


def test_the_header_is_untouched():
    frame = decode_image(raw())
    assert (frame.stamp, frame.frame_id) == ((7, 999_999_999), "front/camera")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: array.array("B", b)])
def test_any_buffer(kind):
    data = bytes(range(72))
    got, bgr = pixels(4, 6, "bgr8", False, 18, kind(data))
    np.testing.assert_array_equal(got, np.arange(72).reshape(4, 6, 3))
    assert bgr
    np.testing.assert_array_equal(pixels(2, 3, "bgra8", False, 12, kind(data))[0][0, 1], [4, 5, 6])


def test_bytes_after_the_image_are_ignored():
    assert decode_image(raw(size=500)).pixels.shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("msg", "reason"),
    [
        (raw(height=0), "size"),
        (raw(width=0), "size"),
        (raw(height=65535, width=65535, step=196605, size=100), "size"),
        (raw(height=1, width=16385, step=49155), "size"),
        (raw(height=2**32 - 1, width=2**32 - 1, step=2**32 - 1, size=0), "size"),
        (raw(height=2, width=5, encoding="uyvy"), "size"),
        (raw(height=2, width=5, encoding="nv21"), "size"),
        (raw(height=3, width=6, encoding="nv12"), "size"),
        (raw(height=2, width=6, encoding="bayer_rggb8"), "size"),
        (raw(encoding=""), "encoding"),
        (raw(encoding="RGB8"), "encoding"),
        (raw(encoding="16UC1"), "encoding"),
        (raw(encoding="32FC1"), "encoding"),
        (raw(encoding="8UC2"), "encoding"),
        (raw(step=17), "step"),
        (raw(step=0), "step"),
        (raw(encoding="rgb16", step=35), "step"),
        (raw(encoding="yuyv", step=11), "step"),
        (raw(size=0), "truncated"),
        (raw(size=71), "truncated"),
        (raw(step=20, size=77), "truncated"),
        (raw(height=16384, width=16384, step=49152, size=1000), "truncated"),
        (raw(step=2**32 - 1, size=100), "truncated"),
        (raw(encoding="nv12", step=6, size=35), "truncated"),
        (raw(encoding="nv24", step=6, size=71), "truncated"),
    ],
)
def test_malformed(msg, reason, without_cv_bridge):
    tracemalloc.start()
    try:
        assert refused(decode_image, msg).reason == reason
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_the_last_row_may_lack_its_padding():
    assert decode_image(raw(step=20, size=78)).pixels.shape == (4, 6, 3)


def test_unknown_encodings_without_cv_bridge(without_cv_bridge):
    error = refused(decode_image, raw(encoding="odd8"))
    assert error.reason == "encoding"
    assert "cv_bridge" in str(error)
    assert "bayer_rggb8" in str(error)


def test_depth_is_refused_with_advice(fake_cv_bridge):
    assert "depth" in str(refused(decode_image, raw(encoding="32FC1")))
    assert "mono16" in str(refused(decode_image, raw(encoding="16UC1")))


def test_unknown_encodings_go_to_cv_bridge(fake_cv_bridge):
    frame = decode_image(raw(encoding="odd8"))
    assert frame.bgr
    assert (frame.pixels == (255, 0, 0)).all()
    assert refused(decode_image, raw(encoding="odder8")).reason == "encoding"
    assert refused(decode_image, raw(encoding="odd8", height=65535, size=9)).reason == "size"
    assert refused(decode_image, raw(encoding="odd8", size=9)).reason == "truncated"


@pytest.mark.parametrize("encoding", ["rgb8", "bgra8", "mono8", "mono16", "yuv422"])
def test_agrees_with_cv_bridge(encoding):
    cv_bridge = pytest.importorskip("cv_bridge", reason="cv_bridge is not installed: nothing to compare with")
    msg = raw(encoding=encoding, step=24)
    msg.data = array.array("B", random.Random(1).randbytes(96))
    frame = decode_image(msg)
    got = frame.pixels if frame.bgr else frame.pixels[..., ::-1]
    assert np.abs(got.astype(int) - cv_bridge.CvBridge().imgmsg_to_cv2(msg, "bgr8")).max() <= 1


def attempt(msg):
    """The frame, or the reason of its refusal; any other error fails the test."""
    try:
        return decode_image(msg)
    except FrameError as error:
        return error.reason


def test_fuzz_of_raw_fields(without_cv_bridge):
    rng = random.Random(20)
    numbers = [0, 1, 2, 3, 5, 6, 17, 18, 24, 36, 1000, 16384, 16385, 65535, 2**31, 2**32 - 1]
    frames = 0
    for _ in range(2000):
        msg = raw(encoding=rng.choice([*ENCODINGS, "16UC1", "64FC4", "", "odd"]), step=48)
        for field in rng.sample(["height", "width", "step", "data", "is_bigendian"], rng.randint(0, 3)):
            if field == "data":
                msg.data = array.array("B", rng.randbytes(rng.choice([0, 1, 50, 71, 72, 500, 3000])))
            else:
                setattr(msg, field, rng.choice(numbers) % (256 if field == "is_bigendian" else 2**32))
        result = attempt(msg)
        if isinstance(result, str):
            assert result in REASONS
        else:
            frames += 1
            assert result.pixels.shape == (msg.height, msg.width, 3)
            assert result.pixels.dtype == np.uint8
    assert 100 < frames < 1900
