"""Cameras that fall silent, come back, and come back changed."""

import threading
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from seg_ros.errors import EngineError
from test.conftest import wait_for
from test.faults.processes import LONG
from test.nodes import Sender, active, before_each_frame, fail, picture, send

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def levels(graph):
    """`(seconds of the monotonic clock, level, message)` of every diagnosis of the first camera."""
    seen = []

    def keep(array):
        seen.append((time.monotonic(), array.status[0].level, array.status[0].message))

    graph.client.create_subscription(DiagnosticArray, "/diagnostics", keep, 10)
    return seen


def told(levels, since, level):
    """Seconds after `since` until the level was `level`."""
    found = wait_for(lambda: [t for t, at, _ in list(levels) if t >= since and at == level])
    return found[0] - since


@pytest.mark.alone
def test_silence_is_an_error_within_two_seconds_and_heals_within_two(serving, levels):
    _node, camera, labels = serving
    sender = Sender(camera, picture())
    told(levels, 0.0, OK)
    sender.stop()
    silent = told(levels, time.monotonic(), ERROR)
    assert silent <= 2.0
    assert "no frame on /eye/image" in levels[-1][2]
    labels.clear()
    sender, back = Sender(camera, picture(2)), time.monotonic()
    healed = told(levels, back, OK)
    sender.stop()
    print(f"\na silent camera: ERROR after {silent:.2f} s, OK {healed:.2f} s after it is back")
    assert healed <= 2.0
    assert labels


@pytest.mark.alone
@LONG  # in short: ros/test_diagnostics.py and test_statistics.py
def test_a_slow_camera_is_not_silent(serving, levels):
    _node, camera, _labels = serving
    camera.publish(picture())
    sender = Sender(camera, picture(), rate=0.8)  # slower than the patience with a fast one
    time.sleep(4.0)
    begin = time.monotonic()
    time.sleep(4.0)
    sender.stop()
    assert {level for t, level, _ in levels if t > begin} == {OK}


@pytest.mark.alone
@pytest.mark.parametrize("reliable", [True, False])
def test_a_camera_that_restarts_changed_is_served(start, graph, reliable):
    active(start())
    labels = graph.collect(Image, "/segmentation/label")
    first = graph.publisher(Image, "/eye/image", not reliable)
    send(first, picture(1, (48, 72), "rgb8"), labels)
    graph.client.destroy_publisher(first)
    time.sleep(0.3)
    labels.clear()
    second = graph.publisher(Image, "/eye/image", reliable)
    begin = time.monotonic()
    message = picture(2, (60, 101), "bgr8")
    send(second, message, labels)
    print(f"\na camera that restarts changed: served after {time.monotonic() - begin:.2f} s")
    assert time.monotonic() - begin < 2.0
    assert (labels[-1].height, labels[-1].width, labels[-1].header) == (60, 101, message.header)


@pytest.mark.alone
def test_a_failing_network_is_an_error_within_a_second_and_a_half(serving, levels):
    node, camera, labels = serving
    sender = Sender(camera, picture())
    told(levels, 0.0, OK)
    before_each_frame(node, fail(EngineError("NaN or Inf", reason="not_finite")))
    begin = time.monotonic()
    failing = told(levels, begin + 0.05, ERROR)
    print(f"\na failing network: ERROR after {failing:.2f} s")
    assert failing <= 1.5
    assert "not_finite" in levels[-1][2]
    time.sleep(0.2)
    labels.clear()
    time.sleep(0.5)
    assert not labels
    before_each_frame(node, None)
    assert told(levels, time.monotonic(), OK) <= 2.5
    sender.stop()


@pytest.mark.alone
def test_what_the_middleware_loses_is_counted(serving, levels):
    node, camera, _labels = serving
    before = node.cameras[0].statistics.counts()
    blocked = threading.Event()
    node.create_timer(0.01, lambda: blocked.is_set() or (blocked.set(), time.sleep(1.0)))
    assert blocked.wait(5)
    for _ in range(40):  # only the newest waits in the middleware
        camera.publish(picture())
        time.sleep(0.01)
    wait_for(lambda: node.cameras[0].statistics.frames_in - before["frames_in"] == 40)
    assert node.cameras[0].statistics.dropped["transport"] >= 30
    wait_for(lambda: any("lost between camera and node" in message for _, _, message in levels))


def test_an_error_in_a_callback_reaches_diagnostics_and_the_node_lives(serving, levels, monkeypatch):
    node, camera, labels = serving
    subscription = node._inputs[0]
    wait_for(lambda: levels)
    monkeypatch.setattr(subscription, "_mailbox", SimpleNamespace(put=lambda *_: 1 / 0))
    camera.publish(picture())
    wait_for(lambda: any("internal" in message and level == ERROR for _, level, message in levels))
    monkeypatch.undo()
    labels.clear()
    send(camera, picture(3), labels)
    monkeypatch.setattr(subscription, "follow", lambda *_: 1 / 0)
    wait_for(lambda: any("_follow failed: ZeroDivisionError" in message for _, _, message in levels))
    monkeypatch.undo()
    begin = time.monotonic()
    wait_for(lambda: any(t > begin + 1 and "failed" not in message for t, _, message in list(levels)))
