"""Frames of several cameras in one inference: one that fails is lost alone, and its camera is named."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from seg_ros.errors import EngineError
from seg_ros.ros import messages
from seg_ros.ros.cameras import Camera
from seg_ros.ros.subscription import Received
from test.nodes import Sink, active, picture

NAMES = ["front", "rear", "left", "right"]
BLACK = (30, 40)


@pytest.fixture
def batch(start):
    """An idle node's worker and runner, and four cameras with a picture each; that of the front camera is black."""
    node = start(input_topics=[f"/{name}/image" for name in NAMES], batch=4)
    active(node)
    cameras = [Camera(f"/{name}/image", name, Sink()) for name in NAMES]
    pictures = [picture(i) for i in range(4)]
    pictures[0] = messages.image(Header(), np.zeros((*BLACK, 3), np.uint8), "rgb8")
    frames = [Received(serialize_message(message), ["label"]) for message in pictures]
    return node._worker, node._segmenter.runner, list(zip(cameras, frames, strict=True))


def counts(messages):
    return [(c.statistics.frames_out, dict(c.statistics.dropped), c.publishers.done.is_set()) for c, _ in messages]


def not_finite(runner, messages, monkeypatch):
    engine = runner._engines[4]

    def run(pixels):
        label, confidence = (output.clone() for output in engine.run(pixels))
        label[pixels.flatten(1).amax(1) == 0, 5, 7] = 255  # as the graph marks NaN
        return label, confidence

    runner._engines[4] = dataclasses.replace(engine, run=run)
    return "not_finite", "NaN or Inf at 1 of"


def filling(runner, messages, monkeypatch):
    fill = runner._fill
    monkeypatch.setattr(
        runner, "_fill", lambda frame, *place: fill(frame, *place) if (frame.height, frame.width) != BLACK else 1 / 0
    )
    return "internal", "ZeroDivisionError"


def restoring(runner, messages, monkeypatch):
    restore = runner._restore

    def failing(outputs, resize, wanted):
        return restore(outputs, resize, wanted) if resize.frame != BLACK else 1 / 0

    monkeypatch.setattr(runner, "_restore", failing)
    return "internal", "ZeroDivisionError"


def publishing(runner, messages, monkeypatch):
    monkeypatch.setattr(messages[0][0].publishers, "publish", lambda *_: 1 / 0)
    return "internal", "ZeroDivisionError"


@pytest.mark.parametrize("fault", [not_finite, filling, restoring, publishing])
def test_a_frame_of_a_batch_fails_alone_and_its_camera_is_named(fault, batch, monkeypatch, capfd):
    worker, runner, messages = batch
    sizes, run = [], runner.run
    monkeypatch.setattr(runner, "run", lambda frames, wanted: sizes.append(len(frames)) or run(frames, wanted))
    reason, why = fault(runner, messages, monkeypatch)
    worker._work(messages)
    assert sizes == [4]
    assert counts(messages) == [(0, {reason: 1}, False)] + [(1, {}, True)] * 3
    said = capfd.readouterr().err
    assert "frame of /front/image dropped" in said
    assert why in said
    assert not any(f"/{name}/image dropped" in said for name in NAMES[1:])


def test_a_frame_that_cannot_be_decoded_is_lost_alone(batch, monkeypatch):
    worker, _runner, messages = batch
    monkeypatch.setattr("seg_ros.ros.worker.check_age", lambda stamp, *_: 1 / stamp[0])  # 0 is the black one's
    worker._work(messages)
    assert counts(messages) == [(0, {"internal": 1}, False)] + [(1, {}, True)] * 3


def test_an_engine_that_fails_costs_all_its_frames(batch, monkeypatch):
    worker, runner, messages = batch

    class Broken:
        batch, batches, ready = runner.batch, runner.batches, runner.ready

        def run(self, *_):
            raise EngineError("broken")

    monkeypatch.setattr(worker, "_runner", Broken())
    worker._work(messages)
    assert counts(messages) == [(0, {"engine": 1}, False)] * 4


def test_what_an_inference_has_no_memory_for_counts_once(batch, monkeypatch):
    worker, runner, messages = batch
    ended = []
    monkeypatch.setattr(worker._failures, "_fatal", ended.append)

    def full(*_):
        raise MemoryError("not really")

    monkeypatch.setattr(runner, "_infer", full)
    for _ in range(4):
        worker._work(messages)
    monkeypatch.setattr(runner, "_fill", full)  # of each frame, and then there is no inference
    assert not ended
    worker._work(messages)
    assert ended == ["out of memory 5 times in a row"]
    assert counts(messages) == [(0, {"memory": 5}, False)] * 4
