"""Nodes in somebody else's process: two of ours and a foreign one, on one executor; and what an import changes."""

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from seg_ros.ros.node import SegmentationNode
from test.nodes import Sender, active, picture, send


def test_two_nodes_beside_a_foreign_one_serve_each_its_camera(graph, small_weights, small_instance_weights):
    nodes = {}
    for name, weights in (("road", small_weights), ("objects", small_instance_weights)):
        values = {"weights": str(weights), "engine": "eager", "input_topic": f"/{name}/image"}
        options = {"parameter_overrides": [Parameter(key, value=value) for key, value in values.items()]}
        nodes[name] = graph.add(SegmentationNode(name, **options))
    # The graph's client is the foreign node: it publishes, subscribes, and has its own callbacks on the same executor.
    cameras = {name: graph.publisher(Image, f"/{name}/image") for name in nodes}
    labels = {name: graph.collect(Image, f"/{name}/label") for name in nodes}
    for node in nodes.values():
        active(node)
    for i, name in enumerate(nodes):
        message = picture(i + 1, (40 + i, 60))
        send(cameras[name], message, labels[name])
        assert labels[name][-1].header == message.header
        assert (labels[name][-1].height, labels[name][-1].width) == (40 + i, 60)
    senders = [Sender(camera, picture(9), 20) for camera in cameras.values()]
    nodes["road"].trigger_deactivate()  # the other goes on
    labels["objects"].clear()
    send(cameras["objects"], picture(10), labels["objects"])
    for sender in senders:
        sender.stop()


PROGRAM = """
import faulthandler, os, signal, sys, threading, warnings

def felt():
    return (
        dict(os.environ), {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}, list(warnings.filters),
        sys.getswitchinterval(), threading.active_count(), faulthandler.is_enabled(), sys.excepthook,
    )

import numpy, cv2, rclpy
if sys.argv[1] == "node":
    import torch  # what others change when they are imported is not ours
before = felt()
import seg_ros
if sys.argv[1] == "node":
    import seg_ros.ros.node, seg_ros.segmenter
else:
    assert "torch" not in sys.modules
after = felt()
names = ("environ", "signals", "filters", "switch", "threads", "fault", "hook")
print([name for name, b, a in zip(names, before, after) if a != b])
"""


@pytest.mark.parametrize("what", ["package", "node"])
def test_an_import_changes_nothing_outside(what):
    result = subprocess.run([sys.executable, "-c", PROGRAM, what], capture_output=True, text=True, timeout=120)
    assert result.stdout == "[]\n", result.stdout + result.stderr


def test_a_frame_is_segmented_without_a_warning(small_weights):
    program = f"""
import warnings
warnings.simplefilter("error")
import numpy as np, seg_ros
net = seg_ros.open({str(small_weights)!r}, engine="eager")
pixels = np.ndarray((48, 60, 3), np.uint8, bytes(48 * 60 * 3))
assert not pixels.flags.writeable
print(net(pixels).label.shape)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("(48, 60)\n", "")
