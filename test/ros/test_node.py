"""The node on a real ROS graph: outputs, bad frames, overload, diagnostics."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from seg_ros.classes import CAMVID
from seg_ros.engines import DEVICES, PRECISIONS
from seg_ros.errors import EngineError
from seg_ros.ros import messages
from seg_ros.ros.camera_info import TOPIC
from seg_ros.ros.image_io import decode_compressed
from seg_ros.ros.outputs import OUTPUTS
from test.conftest import wait_for
from test.nodes import active, before_each_frame, fail, picture, send


def test_label_has_size_and_header_of_the_image(start, graph):
    active(start())
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    for stamp, size in ((1, (48, 72)), (2, (64, 96)), (3, (101, 37))):
        labels.clear()
        message = picture(stamp, size)
        send(camera, message, labels)
        label = labels[-1]
        assert label.header == message.header
        assert (label.height, label.width, label.encoding) == (*size, "mono8")
        assert (label.step, label.is_bigendian, len(label.data)) == (size[1], 0, size[0] * size[1])
        assert max(label.data) < 11


def test_every_output(start, graph):
    node = start()
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    rows = {name: row.message for name, row in OUTPUTS.items() if "semantic" in row.tasks and name != TOPIC}
    received = {name: graph.collect(kind, f"/segmentation/{name}") for name, kind in rows.items()}
    wait_for(lambda: len(node.cameras[0].publishers.wanted()) == len(rows))
    message = picture()
    send(camera, message, *received.values())
    expected = {"label": "mono8", "confidence": "mono8", "color": "rgb8", "overlay": "bgr8"}
    for name, encoding in expected.items():
        image = received[name][-1]
        assert (image.encoding, image.height, image.width) == (encoding, 48, 72)
        assert image.header == message.header
    jpeg = received["overlay/compressed"][-1]
    assert jpeg.header == message.header
    assert decode_compressed(jpeg).pixels.shape == (48, 72, 3)
    label = np.frombuffer(received["label"][-1].data, np.uint8).reshape(48, 72)
    colors = np.frombuffer(received["color"][-1].data, np.uint8).reshape(48, 72, 3)
    assert np.array_equal(colors, CAMVID.palette()[label])


def test_compressed_camera(start, graph):
    active(start(input_topic="/eye/image/compressed"))
    camera = graph.publisher(CompressedImage, "/eye/image/compressed")
    labels = graph.collect(Image, "/segmentation/label")
    header = Header(frame_id="eye")
    send(camera, messages.serialized_jpeg((0, 0), "eye", np.zeros((40, 50, 3), np.uint8)), labels)
    assert (labels[0].height, labels[0].width, labels[0].header) == (40, 50, header)


def test_nobody_listens_nothing_is_inferred(start, graph):
    node = start()
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    for _ in range(10):
        camera.publish(picture())
        time.sleep(0.05)
    assert node.cameras[0].statistics.frames_in == 0
    assert camera.get_subscription_count() == 0  # not even received
    labels = graph.collect(Image, "/segmentation/label")
    send(camera, picture(), labels)
    graph.client.destroy_subscription(next(s for s in graph.client.subscriptions if s.topic.endswith("label")))
    wait_for(lambda: camera.get_subscription_count() == 0)


def test_diagnostics_name_engine_rates_drops_and_stages(start, graph):
    node = start()
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    send(camera, picture(), labels)
    bad = picture()
    bad.step = 10
    camera.publish(bad)

    def values():
        found = [s for a in statuses for s in a.status if s.name == "/segmentation: segmentation"]
        latest = {v.key: v.value for v in found[-1].values} if found else {}
        return latest if "dropped/step" in latest else None

    latest = wait_for(values)
    assert latest["engine"] == "eager"
    assert latest["precision"] in PRECISIONS
    assert latest["device"] in DEVICES
    assert latest["topic"] == "/eye/image"
    assert {"rate_in", "rate_out", "p50/infer", "p99/infer", "p50/age", "p99/age"} <= latest.keys()


def test_silent_camera_is_an_error_in_diagnostics(start, graph):
    active(start())
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    wait_for(lambda: statuses and statuses[-1].status[0].level == DiagnosticStatus.ERROR)
    assert "no frame on /eye/image" in statuses[-1].status[0].message


def test_live_parameter_acts_on_the_next_frame(start, graph):
    node = start()
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    overlays = graph.collect(Image, "/segmentation/overlay")
    node.set_parameters([Parameter("overlay_alpha", value=0.0)])
    message = picture(size=(64, 96), encoding="bgr8")
    send(camera, message, overlays)
    drawn = np.frombuffer(overlays[-1].data, np.uint8).reshape(64, 96, 3)
    plain = np.frombuffer(message.data, np.uint8).reshape(64, 96, 3)
    assert (drawn == plain).all(axis=2).mean() > 0.3  # all but the lines between classes


def test_overload_drops_the_stale_and_keeps_the_newest(serving):
    node, camera, labels = serving
    before_each_frame(node, lambda: time.sleep(0.3))
    time.sleep(0.3)
    labels.clear()
    for stamp in range(10, 40):
        camera.publish(picture(stamp))
        time.sleep(0.02)
    wait_for(lambda: labels and labels[-1].header.stamp.sec == 39)
    assert len(labels) <= 5
    stamps = [label.header.stamp.sec for label in labels]
    assert stamps == sorted(stamps)
    assert node.cameras[0].statistics.dropped["stale"] >= 20


@pytest.mark.parametrize("reliable", [True, False])
def test_follows_the_quality_of_service_of_the_camera(start, graph, reliable):
    node = start()
    active(node)  # subscribed before there is a camera
    camera = graph.publisher(Image, "/eye/image", reliable)
    labels = graph.collect(Image, "/segmentation/label")
    send(camera, picture(), labels)
    expected = "RELIABLE" if reliable else "BEST_EFFORT"
    wait_for(lambda: node._inputs[0]._qos.reliability.name == expected)
    labels.clear()
    send(camera, picture(2), labels)


def test_a_failing_engine_costs_the_frame_and_is_reported(serving):
    node, camera, labels = serving
    for error, reason in ((EngineError("no memory"), "engine"), (KeyError("a bug"), "internal")):
        before_each_frame(node, fail(error))
        camera.publish(picture())
        wait_for(lambda reason=reason: node.cameras[0].statistics.dropped.get(reason) == 1)
    before_each_frame(node, None)
    labels.clear()
    send(camera, picture(5), labels)


def test_diagnostics_come_though_the_simulated_clock_stands_still(start, graph):
    active(start(use_sim_time=True))
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    wait_for(lambda: len(statuses) >= 2, 5)
