"""The camera's calibration: which one goes with a frame, and what is none."""

import contextlib
import copy
import itertools
import random
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from seg_ros.errors import FrameError
from seg_ros.ros import surroundings
from seg_ros.ros.camera_info import CameraInfos, info_topic
from seg_ros.ros.node import SegmentationNode
from test.conftest import wait_for
from test.nodes import Sender, active, picture, send


def info(stamp=1, size=(48, 72), frame_id="eye", focal=50.0, **fields):
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = stamp, 123456789
    message = CameraInfo(header=header, height=size[0], width=size[1], distortion_model="plumb_bob", **fields)
    message.d = [0.1, -0.2, 0.001, 0.002, 0.05]
    message.k = np.array([focal, 0, size[1] / 2, 0, focal, size[0] / 2, 0, 0, 1])
    message.r, message.p = np.eye(3).ravel(), np.arange(12.0)
    return message


def frame(stamp=1, size=(48, 72)):
    return (stamp, 123456789), "eye", size


def infos(*messages):
    kept = CameraInfos()
    for message in messages:
        kept.put(message if isinstance(message, bytes) else serialize_message(message))
    return kept


@pytest.mark.parametrize(
    ("images", "topic"),
    [
        ("/camera/image_raw", "/camera/camera_info"),
        ("/camera/image_raw/compressed", "/camera/camera_info"),
        ("/robot/front/color/image", "/robot/front/color/camera_info"),
        ("/image", "/camera_info"),
        ("/image/compressed", "/camera_info"),
    ],
)
def test_it_is_beside_the_images_as_image_transport_has_it(images, topic):
    assert info_topic(images) == topic


def test_a_frame_has_the_one_of_its_stamp_whatever_the_order_else_the_newest():
    sent = [info(stamp, focal=10.0 * stamp) for stamp in (1, 2, 4, 5)]
    for order in itertools.permutations(sent):
        kept = infos(*order)
        for stamp in (1, 2, 3, 4, 5, 6):
            got = kept.of(*frame(stamp))
            expected = copy.deepcopy(sent[[1, 2, 4, 5].index(stamp)] if stamp in (1, 2, 4, 5) else order[-1])
            expected.header.stamp.sec = stamp
            assert got == expected
    assert infos().of(*frame()) is None
    kept.clear()
    assert kept.of(*frame()) is None


def test_what_is_given_out_is_the_receivers_own():
    kept = infos(info(1))
    first = kept.of(*frame(7))
    assert kept.of(*frame(8)).header.stamp.sec == 8
    assert first.header.stamp.sec == 7


@pytest.mark.parametrize(
    "right",
    [
        info(size=(96, 144), binning_x=2, binning_y=2),
        info(size=(48, 72), binning_x=2, binning_y=2),  # a driver that writes what it sends
        info(size=(480, 720), roi=RegionOfInterest(x_offset=10, y_offset=20, height=48, width=72)),
        info(size=(480, 720), binning_x=2, binning_y=3, roi=RegionOfInterest(height=144, width=144)),
        info(frame_id=""),
    ],
)
def test_calibrations_of_a_part_of_the_sensor_are_right(right):
    expected = copy.deepcopy(right)
    expected.header.frame_id = "eye"
    assert infos(right).of(*frame()) == expected


@pytest.mark.parametrize(
    ("wrong", "reason", "text"),
    [
        (info(size=(48, 73)), "camera_info_size", "must be for images of 72x48, got 73x48"),
        (info(size=(0, 0)), "camera_info_size", "got 0x0"),
        (info(size=(96, 144), binning_x=2, binning_y=3), "camera_info_size", "of which images are 72x32"),
        (info(frame_id="rear"), "camera_info_frame_id", "must have the images' frame_id 'eye', or none, got 'rear'"),
        (info(focal=float("nan")), "camera_info_unreadable", "finite"),
        (info(focal=float("inf")), "camera_info_unreadable", "finite"),
        (info(frame_id="x" * 257), "camera_info_unreadable", "at most 256 bytes"),
        # Bytes make names of tests, and between fields they may be any.
        pytest.param(
            serialize_message(info())[:100],
            "camera_info_unreadable",
            "middleware cannot read this CameraInfo",
            id="cut",
        ),
        (b"", "camera_info_unreadable", "cannot read"),
        pytest.param(serialize_message(info()) + bytes(20000), "camera_info_unreadable", "at most 16384 b", id="long"),
    ],
)
def test_what_is_no_calibration_of_the_frame_is_refused_and_costs_nothing_else(wrong, reason, text):
    with pytest.raises(FrameError, match=text) as caught:
        infos(wrong).of(*frame())
    assert caught.value.reason == reason
    if reason == "camera_info_size":  # the newest is what the camera has now
        with pytest.raises(FrameError):
            infos(info(2), wrong).of(*frame())
    else:
        assert infos(info(2), wrong).of(*frame(3)).k[0] == 50.0
    assert infos(wrong, info(2)).of(*frame(3)).k[0] == 50.0


def test_damaged_messages_are_refused_or_read():
    message, choose = serialize_message(info()), random.Random(0)
    for _ in range(2000):
        damaged = bytearray(message)
        for _ in range(choose.choice([1, 2, 8])):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        kept = infos(bytes(damaged[: choose.choice([len(damaged), choose.randrange(len(damaged) + 1)])]))
        with contextlib.suppress(FrameError):
            got = kept.of(*frame())
            assert (got.header.stamp.sec, got.header.frame_id) == (1, "eye")


# On a graph


@pytest.fixture
def eye(graph):
    """Publishers of images and calibrations, and lists of the labels and calibrations that the node made of them."""
    images, calibrations = graph.publisher(Image, "/eye/image"), graph.publisher(CameraInfo, "/eye/camera_info")
    labels = graph.collect(Image, "/segmentation/label", 100)
    return images, calibrations, labels, graph.collect(CameraInfo, "/segmentation/camera_info", 100)


def repeat(publisher, message, until):
    """Publishes until the condition is true: discovery takes its time."""
    wait_for(lambda: (publisher.publish(message), time.sleep(0.05), until())[2])


def heard(graph):
    """Waits until the node takes images and calibrations."""
    wait_for(lambda: all(graph.client.count_subscribers(f"/eye/{name}") for name in ("image", "camera_info")))


def test_every_frame_has_its_calibration(start, graph, eye):
    images, calibrations, labels, received = eye
    active(start())
    heard(graph)
    for stamp, size in enumerate([(47, 71), (101, 37), (1, 1)], 1):
        right = info(stamp, size, focal=float(stamp))
        message = picture(stamp, size)
        repeat(calibrations, right, lambda m=message, right=right: (images.publish(m), right in received)[1])
        wait_for(lambda m=message: labels[-1].header == m.header)


def test_calibrations_come_at_their_own_rate_and_every_frame_has_one(start, graph, eye):
    images, calibrations, labels, received = eye
    active(start())
    heard(graph)
    slow = Sender(calibrations, info(1), rate=2.0)
    repeat(images, picture(), lambda: received)
    slow.stop()
    for stamp in range(100, 120):
        images.publish(picture(stamp))
        wait_for(lambda n=stamp: labels[-1].header.stamp.sec == received[-1].header.stamp.sec == n)
    assert [message.header for message in received[-20:]] == [label.header for label in labels[-20:]]
    assert all(message.k[0] == 50.0 for message in received)


def test_a_latched_calibration_is_heard(start, graph):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE)
    graph.client.create_publisher(CameraInfo, "/eye/camera_info", latched).publish(info(0))
    received = graph.collect(CameraInfo, "/segmentation/camera_info")
    active(start())
    send(graph.publisher(Image, "/eye/image"), picture(3), received)
    assert received[-1] == info(3)


def test_it_is_subscribed_to_while_it_is_wanted_and_forgotten_with_its_publisher(start, graph):
    node = start()
    active(node)
    images, calibrations = graph.publisher(Image, "/eye/image"), graph.publisher(CameraInfo, "/eye/camera_info")
    labels = graph.collect(Image, "/segmentation/label")
    send(images, picture(), labels)
    assert graph.client.count_subscribers("/eye/camera_info") == 0
    received = []
    subscription = graph.client.create_subscription(CameraInfo, "/segmentation/camera_info", received.append, 10)
    heard(graph)
    repeat(calibrations, info(), lambda: (images.publish(picture(2)), received)[1])
    graph.client.destroy_publisher(calibrations)
    wait_for(lambda: node.cameras[0].infos.empty)
    graph.client.destroy_subscription(subscription)
    wait_for(lambda: graph.client.count_subscribers("/eye/camera_info") == 0)


def values(statuses):
    return {v.key: v.value for v in statuses[-1].status[0].values} if statuses else {}


def test_a_camera_without_calibration_costs_only_that_topic(start, graph, monkeypatch, capfd):
    monkeypatch.setattr(surroundings, "_PATIENCE", 0.0)
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    labels = graph.collect(Image, "/segmentation/label")
    received = graph.collect(CameraInfo, "/segmentation/camera_info")
    active(start())
    sender = Sender(graph.publisher(Image, "/eye/image"), picture())
    wait_for(lambda: statuses and "camera_info_missing" in statuses[-1].status[0].message)
    assert int(values(statuses)["noted/camera_info_missing"]) > 10
    sender.stop()
    assert len(labels) > 10
    assert received == []
    assert "no camera_info: nobody publishes /eye/camera_info\n" in capfd.readouterr().err


def test_one_of_another_size_is_counted_said_once_and_not_published(start, graph, eye, capfd):
    images, calibrations, labels, received = eye
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    active(start())
    heard(graph)
    wrong, sender = Sender(calibrations, info(1, (480, 640))), Sender(images, picture(1))
    wait_for(lambda: int(values(statuses).get("noted/camera_info_size", 0)) > 20)
    assert received == []
    assert len(labels) > 20
    log = capfd.readouterr().err
    assert log.count("without camera_info: it must be for images of 72x48, got 640x480") == 1
    wrong.stop()
    repeat(calibrations, info(1), lambda: received)
    sender.stop()
    assert received[0] == info(1)


def test_a_node_that_is_called_as_its_camera_is_does_without(start, graph, capfd):
    active(start(input_topic="~/image"))
    labels = graph.collect(Image, "/segmentation/label")
    send(graph.publisher(Image, "/segmentation/image"), picture(), labels)
    assert graph.client.count_publishers("/segmentation/camera_info") == 0
    assert "/segmentation/camera_info is the camera's: the node publishes none" in capfd.readouterr().err


def test_remapped_mask_and_calibration_go_together(graph, small_weights):
    images, calibrations = graph.publisher(Image, "/eye/image"), graph.publisher(CameraInfo, "/calibration")
    values = {"weights": str(small_weights), "engine": "eager", "input_topic": "/eye/image", "masks.people": ["car"]}
    remapped = ["~/mask/people:=/mask/image", "~/camera_info:=/mask/camera_info", "/eye/camera_info:=/calibration"]
    node = SegmentationNode(
        parameter_overrides=[Parameter(k, value=v) for k, v in values.items()],
        cli_args=["--ros-args", *(word for rule in remapped for word in ("-r", rule))],
    )
    active(graph.add(node))
    masks, received = graph.collect(Image, "/mask/image"), graph.collect(CameraInfo, "/mask/camera_info")
    repeat(calibrations, info(5), lambda: (images.publish(picture(5)), masks and received)[1])
    assert masks[-1].header == received[-1].header == picture(5).header
    assert (masks[-1].height, masks[-1].width) == (received[-1].height, received[-1].width)
