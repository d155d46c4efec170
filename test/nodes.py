"""A segmentation node on the test's graph: how to start it, feed it, and make its engine misbehave."""

from __future__ import annotations

import time

import numpy as np
from std_msgs.msg import Header

from seg_ros.ros import messages
from test.conftest import wait_for


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


class Before:
    """A segmenter that does something, such as sleep or raise, before each frame."""

    def __init__(self, segmenter, action):
        self._segmenter, self._action = segmenter, action

    def __call__(self, frame):
        self._action()
        return self._segmenter(frame)

    def __getattr__(self, name):
        return getattr(self._segmenter, name)


def fail(error):
    """An action for `Before` that raises `error`."""

    def action():
        raise error

    return action
