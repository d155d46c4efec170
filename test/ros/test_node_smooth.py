"""The node holds labels still: live on and off, each camera by itself, and what fails costs a frame."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message

from seg_ros.results import SemanticMap
from seg_ros.ros.cameras import Camera
from seg_ros.ros.subscription import Received
from seg_ros.tracking import Smoother
from test.conftest import wait_for
from test.nodes import Sink, active, picture


def take(node, *cameras, stamp=1):
    """Gives the node's worker a frame of each camera, on this thread."""
    message = serialize_message(picture(stamp))
    node._worker._work([(camera, Received(message, ["label"])) for camera in cameras])


def test_labels_are_smoothed_for_each_camera_while_it_is_wanted(start, monkeypatch):
    node = start(smooth=True)
    active(node)
    seen, update = [], Smoother.update

    def watch(self, stamp, found, pixels):
        assert isinstance(found, SemanticMap)
        assert pixels.shape[:2] == found.label.shape
        seen.append((self, stamp, found.confidence is not None))
        return update(self, stamp, found, pixels)

    monkeypatch.setattr(Smoother, "update", watch)
    front, rear = (Camera(f"/{name}/image", name, Sink()) for name in ("front", "rear"))
    take(node, front, rear)
    take(node, front, rear, stamp=2)
    assert len({id(smoother) for smoother, *_ in seen}) == 2
    np.testing.assert_allclose([stamp for _, stamp, _ in seen], np.add([1, 1, 2, 2], 0.123456789))
    assert all(confidence for *_, confidence in seen)  # although nobody subscribes to it
    assert front.statistics.frames_out == rear.statistics.frames_out == 2
    assert node.set_parameters([Parameter("smooth", value=False)])[0].successful
    wait_for(lambda: not node._worker._parameters().smooth)
    take(node, front, rear, stamp=3)
    assert len(seen) == 4
    assert not node._worker._smoothers


def test_what_fails_costs_a_frame(start, monkeypatch):
    node = start(smooth=True)
    active(node)
    camera = Camera("/eye/image", "", Sink())
    monkeypatch.setattr(Smoother, "update", lambda *_: 1 / 0)
    take(node, camera)
    assert camera.statistics.dropped["internal"] == 1
