"""Results as messages, field by field and over the wire; qualities of service."""

import time
import types

import numpy as np
import pytest
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSCompatibility,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.results import Frame
from seg_ros.ros import messages, qos
from seg_ros.ros.image_io import decode_compressed, decode_image

FRAME = Frame(np.zeros((5, 7, 3), np.uint8), True, (-3, 999_999_999), "base/camera optical")
CASES = [
    ("mono8", np.uint8, (), 7),
    ("rgb8", np.uint8, (3,), 21),
    ("bgr8", np.uint8, (3,), 21),
    ("16UC1", np.uint16, (), 14),
]


def values(dtype, pixel, height=5, width=7):
    top = np.iinfo(dtype).max
    return np.random.default_rng(1).integers(0, top, (height, width, *pixel), dtype, endpoint=True)


@pytest.mark.parametrize(("encoding", "dtype", "pixel", "step"), CASES)
def test_image_field_by_field(encoding, dtype, pixel, step):
    array = values(dtype, pixel)
    msg = messages.image(messages.header(FRAME), array, encoding)
    assert (msg.header.stamp.sec, msg.header.stamp.nanosec) == FRAME.stamp
    assert msg.header.frame_id == FRAME.frame_id
    assert (msg.height, msg.width, msg.encoding, msg.is_bigendian, msg.step) == (5, 7, encoding, 0, step)
    assert bytes(msg.data) == array.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    assert deserialize_message(serialize_message(msg), Image) == msg


@pytest.mark.parametrize(("encoding", "dtype", "pixel", "step"), CASES)
def test_views_lose_their_padding(encoding, dtype, pixel, step):
    whole = values(dtype, pixel, 9, 20)
    for view in (whole[1:6, 3:10], whole[::2, ::3], whole[::-1, ::-1]):
        msg = messages.image(messages.header(FRAME), view, encoding)
        assert bytes(msg.data) == view.tobytes()
        assert msg.step == msg.width * step // 7


def test_big_endian_values_are_turned():
    array = values(np.uint16, ())
    msg = messages.image(messages.header(FRAME), array.astype(">u2"), "16UC1")
    assert bytes(msg.data) == array.astype("<u2").tobytes()


@pytest.mark.parametrize(
    ("array", "encoding"),
    [
        (np.zeros((4, 4, 3), np.uint8), "mono8"),
        (np.zeros((4, 4), np.uint8), "rgb8"),
        (np.zeros((4, 4, 4), np.uint8), "bgr8"),
        (np.zeros((4, 4), np.int64), "mono8"),
        (np.zeros((4, 4), np.int16), "16UC1"),
        (np.zeros(4, np.uint8), "mono8"),
        (np.zeros((4, 4), np.uint8), "mono16"),
    ],
)
def test_the_wrong_array_is_refused(array, encoding):
    with pytest.raises(ValueError, match=encoding):
        messages.image(messages.header(FRAME), array, encoding)


def test_a_frame_comes_back_from_its_message():
    array = values(np.uint8, (3,))
    frame = decode_image(messages.image(messages.header(FRAME), array, "bgr8"))
    np.testing.assert_array_equal(frame.pixels, array)
    assert (frame.bgr, frame.stamp, frame.frame_id) == (True, FRAME.stamp, FRAME.frame_id)


def test_compressed():
    y, x = np.mgrid[0:40, 0:60]
    picture = np.stack([y * 4, x * 4, x + y], -1).astype(np.uint8)
    msg = messages.compressed(messages.header(FRAME), picture, quality=90)
    assert msg.format == "bgr8; jpeg compressed bgr8"
    assert msg.header == messages.header(FRAME)
    frame = decode_compressed(deserialize_message(serialize_message(msg), CompressedImage))
    assert np.abs(frame.pixels.astype(int) - picture).max() < 16
    assert len(msg.data) > len(messages.compressed(messages.header(FRAME), picture, quality=20).data)


def test_a_message_is_built_without_a_loop_over_its_bytes():
    array = values(np.uint8, (3,), 1080, 1920)

    def seconds():
        start = time.perf_counter()
        messages.image(messages.header(FRAME), array, "bgr8")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.2  # value by value takes a second


def node(*kinds):
    infos = [types.SimpleNamespace(qos_profile=types.SimpleNamespace(reliability=kind)) for kind in kinds]
    return types.SimpleNamespace(get_publishers_info_by_topic=lambda topic: infos)


RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(
    ("publishers", "expected"),
    [
        ([], BEST_EFFORT),
        ([RELIABLE], RELIABLE),
        ([RELIABLE, RELIABLE], RELIABLE),
        ([BEST_EFFORT], BEST_EFFORT),
        ([RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ([ReliabilityPolicy.UNKNOWN], BEST_EFFORT),
    ],
)
def test_match_publisher(publishers, expected):
    profile = qos.match_publisher(node(*publishers), "/camera/image_raw")
    assert profile == qos.camera_qos(reliable=expected == RELIABLE)
    assert profile.reliability == expected


def test_profiles_keep_only_the_newest():
    for profile in (qos.output_qos(), qos.camera_qos(True), qos.camera_qos(False)):
        assert (profile.history, profile.depth) == (HistoryPolicy.KEEP_LAST, 1)
        assert profile.durability == DurabilityPolicy.VOLATILE
    assert qos.output_qos().reliability == RELIABLE


def test_a_best_effort_subscription_hears_both_kinds_of_camera():
    def hears(publisher, subscription):
        answer, _ = qos_check_compatible(qos.camera_qos(publisher), qos.camera_qos(subscription))
        return answer != QoSCompatibility.ERROR

    assert hears(True, False)
    assert hears(False, False)
    assert hears(True, True)
    assert not hears(False, True)
