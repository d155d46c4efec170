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

from seg_ros.classes import CAMVID
from seg_ros.results import Frame, Instances
from seg_ros.ros import messages, qos
from seg_ros.ros.image_io import decode_compressed, decode_image
from seg_ros_msgs.msg import InstanceMaskArray
from test.objects import expected, followed, found, nothing

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
    with pytest.raises(ValueError, match=encoding):
        messages.serialized_image(FRAME.stamp, FRAME.frame_id, array, encoding)


def test_a_frame_comes_back_from_its_message():
    array = values(np.uint8, (3,))
    frame = decode_image(messages.image(messages.header(FRAME), array, "bgr8"))
    np.testing.assert_array_equal(frame.pixels, array)
    assert (frame.bgr, frame.stamp, frame.frame_id) == (True, FRAME.stamp, FRAME.frame_id)


@pytest.mark.parametrize(("encoding", "dtype", "pixel", "step"), CASES)
def test_a_serialised_image_is_the_message(encoding, dtype, pixel, step):
    whole = values(dtype, pixel, 9, 20)
    for array in (whole, whole[1:6, 3:10], whole[::2, ::3], whole.astype(np.dtype(dtype).newbyteorder(">"))):
        serialized = messages.serialized_image(FRAME.stamp, FRAME.frame_id, array, encoding)
        assert deserialize_message(serialized, Image) == messages.image(messages.header(FRAME), array, encoding)


def test_a_serialised_jpeg():
    y, x = np.mgrid[0:40, 0:60]
    picture = np.stack([y * 4, x * 4, x + y], -1).astype(np.uint8)

    def jpeg(quality):
        serialized = messages.serialized_jpeg(FRAME.stamp, FRAME.frame_id, picture, quality)
        return deserialize_message(serialized, CompressedImage)

    msg = jpeg(90)
    assert msg.format == "bgr8; jpeg compressed bgr8"
    assert msg.header == messages.header(FRAME)
    assert np.abs(decode_compressed(msg).pixels.astype(int) - picture).max() < 16
    assert len(msg.data) > len(jpeg(20).data)
    view = np.repeat(picture, 2, axis=1)[:, ::2]
    assert messages.serialized_jpeg((1, 2), "", view) == messages.serialized_jpeg((1, 2), "", picture)


def seconds(action):
    """Least CPU time of this thread, of five runs."""

    def once():
        start = time.thread_time()
        action()
        return time.thread_time() - start

    return min(once() for _ in range(5))


def value_by_value(pixels):
    Image().data = pixels.reshape(-1)


def test_a_message_is_built_without_a_loop_over_its_bytes():
    pixels = values(np.uint8, (3,), 240, 320)
    took = seconds(lambda: messages.image(messages.header(FRAME), pixels, "bgr8"))
    assert took < 0.1 * seconds(lambda: value_by_value(pixels))


def test_instances_field_by_field():
    result = found()
    msg = messages.instances(messages.header(FRAME), result, CAMVID)
    assert msg.header == messages.header(FRAME)
    assert (msg.height, msg.width) == (48, 72)
    assert [i.id for i in msg.instances] == [1, 2, 3]
    assert [(i.class_id, i.class_name) for i in msg.instances] == [(8, "car"), (9, "pedestrian"), (10, "bicyclist")]
    for instance, roi, mask, score in zip(msg.instances, result.roi, result.masks, result.score, strict=True):
        assert instance.score == score
        region = instance.roi
        assert [region.x_offset, region.y_offset, region.width, region.height] == list(roi)
        assert region.do_rectify is False
        assert instance.mask.header == msg.header
        assert (instance.mask.encoding, instance.mask.is_bigendian) == ("mono8", 0)
        assert (instance.mask.height, instance.mask.width) == (region.height, region.width)
        assert instance.mask.step == instance.mask.width
        assert bytes(instance.mask.data) == mask.tobytes()
    assert deserialize_message(serialize_message(msg), InstanceMaskArray) == msg


def test_masks_paste_to_the_image_of_ids():
    msg = messages.instances(messages.header(FRAME), found(), CAMVID)
    ids = np.zeros((msg.height, msg.width), np.uint16)
    for instance in reversed(msg.instances):
        mask = np.frombuffer(instance.mask.data, np.uint8).reshape(instance.mask.height, instance.mask.width)
        x, y = instance.roi.x_offset, instance.roi.y_offset
        ids[y : y + instance.roi.height, x : x + instance.roi.width][mask == 255] = instance.id
    np.testing.assert_array_equal(ids, found().ids())


def test_instances_carry_their_tracks():
    msg = messages.instances(messages.header(FRAME), followed(), CAMVID)
    told = [(i.id, i.track_id, i.age_frames, round(i.track_score, 6)) for i in msg.instances]
    assert told == [(1, 7, 3, 0.9), (2, 0, 0, 0.0), (3, 65540, 2, 0.7)]
    assert deserialize_message(serialize_message(msg), InstanceMaskArray) == msg


def test_no_instances():
    msg = messages.instances(messages.header(FRAME), nothing(), CAMVID)
    assert (msg.height, msg.width, list(msg.instances)) == (48, 72, [])
    assert msg.header == messages.header(FRAME)


def test_masks_are_not_copied_value_by_value():
    masks = (np.full((150, 200), 255, np.uint8),) * 5
    roi = np.tile(np.array([9, 9, 200, 150], np.int32), (5, 1))
    ones = np.ones(5)
    result = Instances((1080, 1920), ones.astype(np.uint8), ones.astype(np.float32), roi.astype(np.float32), roi, masks)
    took = seconds(lambda: messages.instances(messages.header(FRAME), result, CAMVID))
    assert took < 0.1 * seconds(lambda: [value_by_value(mask) for mask in masks])


needs_vision_msgs = pytest.mark.skipif(messages.vision is None, reason="vision_msgs is not installed")


@needs_vision_msgs
def test_detections():
    result = found()
    msg = messages.detections(messages.header(FRAME), result, CAMVID)
    assert msg.header == messages.header(FRAME)
    assert [d.id for d in msg.detections] == ["", "", ""]
    tracked = messages.detections(messages.header(FRAME), followed(), CAMVID)
    assert [d.id for d in tracked.detections] == ["7", "", "65540"]
    *others, last = messages.detections(messages.header(FRAME), expected(), CAMVID).detections
    assert others == tracked.detections
    assert (last.id, [(r.hypothesis.class_id, r.hypothesis.score) for r in last.results]) == (
        "9",
        [("pedestrian", 0.0)],
    )
    assert (last.bbox.center.position.x, last.bbox.center.position.y) == (46, 20)
    assert (last.bbox.size_x, last.bbox.size_y) == (12, 24)
    for detection, name, score, (x0, y0, x1, y1) in zip(
        msg.detections, ("car", "pedestrian", "bicyclist"), result.score, result.box.tolist(), strict=True
    ):
        assert detection.header == msg.header
        (hypothesis,) = (r.hypothesis for r in detection.results)
        assert (hypothesis.class_id, hypothesis.score) == (name, score)
        center, size = detection.bbox.center, (detection.bbox.size_x, detection.bbox.size_y)
        assert (center.position.x, center.position.y, center.theta) == ((x0 + x1) / 2, (y0 + y1) / 2, 0)
        assert size == (x1 - x0, y1 - y0)
    assert deserialize_message(serialize_message(msg), messages.vision.Detection2DArray) == msg
    assert not messages.detections(messages.header(FRAME), nothing(), CAMVID).detections


@needs_vision_msgs
def test_the_box_of_the_network_and_the_box_of_the_mask_have_one_order():
    result = found()
    masks = messages.instances(messages.header(FRAME), result, CAMVID).instances
    boxes = messages.detections(messages.header(FRAME), result, CAMVID).detections
    for i, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        assert (mask.roi.x_offset, mask.roi.y_offset, mask.roi.width, mask.roi.height) == tuple(result.roi[i])
        left = box.bbox.center.position.x - box.bbox.size_x / 2
        assert left == result.box[i, 0] != mask.roi.x_offset


@needs_vision_msgs
def test_label_info():
    msg = messages.label_info(messages.header(FRAME), CAMVID, 0.5)
    assert {c.class_id: c.class_name for c in msg.class_map} == dict(enumerate(CAMVID.names))
    assert (msg.threshold, msg.header) == (0.5, messages.header(FRAME))


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


@pytest.mark.parametrize("publishers", [[], [RELIABLE], [BEST_EFFORT], [RELIABLE, BEST_EFFORT]])
@pytest.mark.parametrize(("wish", "expected"), [("reliable", RELIABLE), ("best_effort", BEST_EFFORT)])
def test_the_reliability_that_is_asked_for_is_taken(publishers, wish, expected):
    profile = qos.match_publisher(node(*publishers), "/camera/image_raw", wish)
    assert profile == qos.camera_qos(reliable=expected == RELIABLE)


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


def test_a_row_cut_from_a_larger_array_has_its_own_step():
    whole = np.arange(200, dtype=np.uint8).reshape(10, 20)
    msg = messages.image(messages.header(Frame(np.zeros((1, 1, 3), np.uint8))), whole[3:4, 2:9], "mono8")
    assert (msg.height, msg.width, msg.step) == (1, 7, 7)
    assert bytes(msg.data) == bytes(range(62, 69))
