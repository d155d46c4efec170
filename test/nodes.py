"""A segmentation node on the test's graph: how to start it, feed it, and make its engine misbehave."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
from std_msgs.msg import Header

from seg_ros.classes import CAMVID
from seg_ros.engines.opening import Engine
from seg_ros.results import SemanticMap
from seg_ros.ros import messages
from test.conftest import wait_for
from test.objects import found


def picture(stamp=1, size=(48, 72), encoding="rgb8"):
    header = Header(frame_id="eye")
    header.stamp.sec, header.stamp.nanosec = stamp, 123456789
    pixels = np.random.default_rng(stamp).integers(0, 256, (*size, 3), np.uint8)
    return messages.image(header, pixels, encoding)


def state(node):
    return node._state_machine.current_state[1]


def active(node):
    return wait_for(lambda: state(node) == "active")


def send(camera, message, received):
    """Publishes until something is received: discovery takes its time."""
    camera.publish(message)
    wait_for(lambda: received or (camera.publish(message), time.sleep(0.1))[0])


def before_each_frame(node, action):
    """Makes the active node do something, such as sleep or raise, before each frame; None: nothing any more."""
    segmenter = node._segmenter
    node.pipeline.segmenter = Before(segmenter, action) if action else segmenter


class Before:
    """A segmenter that does something, such as sleep or raise, before each frame."""

    def __init__(self, segmenter, action):
        self._segmenter, self._action = segmenter, action

    def segment(self, *arguments):
        self._action()
        return self._segmenter.segment(*arguments)

    def __getattr__(self, name):
        return getattr(self._segmenter, name)


class Sender:
    """A camera that sends at a rate, from a thread of its own, until it is stopped."""

    def __init__(self, camera, message, rate=30.0):
        self._camera, self._message, self._period = camera, message, 1.0 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(self._period):
            self._camera.publish(self._message)

    def stop(self):
        self._stop.set()
        self._thread.join()


class Nothing:
    """In place of a segmenter: class 0 everywhere, at once."""

    task = "semantic"
    manifest = SimpleNamespace(classes=CAMVID)
    engine = Engine("none", "fp32", "cpu", None, {})
    input_size = (64, 96)

    def __init__(self):
        self.stages = {}

    def batches(self, frames):
        return (slice(i, i + 1) for i in range(len(frames)))

    def fit_to(self, frame):
        pass

    def segment(self, frames, selection):
        return [SemanticMap(*np.zeros((2, frame.height, frame.width), np.uint8)) for frame in frames]


class Objects(Nothing):
    """In place of a segmenter of instances: always finds `test.objects.found`, and two too many."""

    task = "instances"

    def __init__(self):
        super().__init__()
        self.selections = []

    def segment(self, frames, selection):
        self.selections.append(selection)
        return [found((frame.height, frame.width), capped=2) for frame in frames]


def fail(error):
    """An action for `Before` that raises `error`."""

    def action():
        raise error

    return action
