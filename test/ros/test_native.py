"""The mode `native`: a camera whose size changes is served, and diagnostics tell when an engine is made for it."""

import threading

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from seg_ros.ros.diagnostics import ERROR, WARN
from test.conftest import wait_for
from test.nodes import Sender, active, picture, send


@pytest.fixture
def slow_build(monkeypatch):
    """Makes an active node's engines wait for an event; returns it and the shapes that were asked for."""

    def slow_build(node):
        runner, shapes, done = node._segmenter.runner, [], threading.Event()
        build = runner._build

        def wait(shape):
            shapes.append(shape)
            assert done.wait(60)
            return build(shape)

        monkeypatch.setattr(runner, "_build", wait)
        return shapes, done

    return slow_build


def compiles(message):
    return message.startswith("nothing published for ") and ": compiling for " in message


def test_changing_sizes_are_served_and_compiling_is_said(start, graph, monkeypatch, slow_build):
    monkeypatch.setattr("seg_ros.ros.diagnostics._STANDSTILL", ((0.5, ERROR), (0.2, WARN)))
    node = start(resize_mode="native", max_native_sizes=1)
    active(node)
    shapes, done = slow_build(node)
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    told = graph.collect(DiagnosticArray, "/diagnostics", 100)
    send(camera, picture(1, (64, 96)), labels)

    def serve(size, stamp):
        labels.clear()
        camera.publish(picture(stamp, size))
        wait_for(lambda: shapes or [label for label in labels if (label.height, label.width) == size])

    for n in range(12):
        serve((48, 60 + n), n)
    assert not shapes
    for n in range(9):
        serve((48, 60), 20 + n)
    assert shapes == [(1, 48, 60)]
    sender = Sender(camera, picture(1, (48, 60)))
    for level in (WARN, ERROR):
        wait_for(lambda level=level: [s for a in told for s in a.status if s.level == level and compiles(s.message)])
    labels.clear()
    done.set()
    wait_for(lambda: labels)
    sender.stop()
    assert node._worker.compiling == 0.0
    served = node.cameras[0].statistics
    for n in range(12):  # no second engine today
        before = served.frames_out
        camera.publish(picture(40 + n, (48, 61)))
        wait_for(lambda before=before: served.frames_out > before)
    assert shapes == [(1, 48, 60)]


def test_an_engine_that_fails_costs_one_frame(start, graph, monkeypatch):
    node = start(resize_mode="native")
    active(node)
    monkeypatch.setattr(node._segmenter.runner, "_build", lambda shape: 1 / 0)
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    send(camera, picture(1, (64, 96)), labels)
    served = node.cameras[0].statistics
    for n in range(19):
        before = served.frames_out + served.dropped["internal"]
        camera.publish(picture(2 + n, (48, 60)))
        wait_for(lambda before=before: served.frames_out + served.dropped["internal"] > before)
    assert served.dropped["internal"] == 1
