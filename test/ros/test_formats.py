"""Run lengths and outlines over the graph, as Autoware and Foxglove take them; their bytes; what is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from visualization_msgs.msg import ImageMarker

from seg_ros import autoware, outlines
from seg_ros.classes import CAMVID, ClassMap
from seg_ros.results import SemanticMap
from seg_ros.ros import messages
from seg_ros.segmenter import Segmenter
from test.nodes import Objects, active, picture, send, state
from test.objects import CAR, PEDESTRIAN, found, nothing

GOLDEN = Path(__file__).parents[1] / "golden"
AUTOWARE_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""That `segmentation_pointcloud_fusion` subscribes with."""


def lines(marker):
    """`(N, 2, 2)` ends and `(N, 4)` colours."""
    points = np.array([(p.x, p.y, p.z) for p in marker.points]).reshape(-1, 2, 3)
    assert not points[..., 2].any()
    return points[..., :2], np.array([(c.r, c.g, c.b, c.a) for c in marker.outline_colors]).reshape(-1, 4)


def closed(found):
    """The lines of outlines, one after the other, as a loop over their corners gives them."""
    return [[a, b] for o in found for a, b in zip(o.corners.tolist(), np.roll(o.corners, -1, 0).tolist(), strict=True)]


def test_both_formats_of_one_frame_over_the_graph(start, graph):
    node = start(outline_classes=list(CAMVID.names), outline_tolerance=0.0, autoware_classes=["fence: WALL"])
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    masks = graph.collect(Image, "/segmentation/mask_rle", AUTOWARE_QOS)
    markers = graph.collect(ImageMarker, "/segmentation/outlines")
    message = picture(7, size=(49, 75))
    send(camera, message, labels, masks, markers)
    label = np.frombuffer(labels[-1].data, np.uint8).reshape(49, 75)
    mask = masks[-1]
    assert (mask.header, mask.height, mask.width, mask.encoding, mask.step) == (message.header, 49, 75, "mono8", 75)
    decoded = [value for value, length in struct.iter_unpack("<Bi", mask.data) for _ in range(length)]
    np.testing.assert_array_equal(np.reshape(decoded, (49, 75)), autoware.ids(CAMVID.names, ("fence: WALL",))[label])
    expected = outlines.outlines(SemanticMap(label), set(range(11)), 0.0)
    assert expected
    ends, colors = lines(markers[-1])
    assert markers[-1].header == message.header
    assert ends.tolist() == closed(expected)
    ids = np.repeat([o.class_id for o in expected], [len(o.corners) for o in expected])
    np.testing.assert_allclose(colors, np.column_stack([CAMVID.palette()[ids] / 255, np.ones(len(ids))]), atol=1e-6)


@pytest.mark.parametrize("frame_id", ["", "e", "eye", "camera_optical_frame"])  # the fields after it lie elsewhere
def test_the_marker_is_what_rclpy_reads(frame_id):
    shown = outlines.outlines(found(), {CAR, PEDESTRIAN}, 1.0)
    marker = deserialize_message(messages.serialized_outlines((7, 8), frame_id, shown, CAMVID), ImageMarker)
    header = (marker.header.stamp.sec, marker.header.stamp.nanosec, marker.header.frame_id)
    assert header == (7, 8, frame_id)
    assert (marker.type, marker.action, marker.scale) == (ImageMarker.LINE_LIST, ImageMarker.ADD, 2.0)
    ends, colors = lines(marker)
    assert ends.tolist() == closed(shown)
    assert {tuple(c) for c in np.round(colors, 2).tolist()} == {(0.25, 0.0, 0.5, 0.95), (0.25, 0.25, 0.0, 0.75)}
    empty = deserialize_message(messages.serialized_outlines((7, 8), frame_id, [], CAMVID), ImageMarker)
    assert (empty.header, empty.points, empty.outline_colors) == (marker.header, [], [])


def test_the_bytes_are_those_on_record():
    label = found((32, 40)).semantic().label
    label[:4] = 3
    made = {
        "mask_rle.cdr": messages.serialized_run_lengths((7, 8), "eye", label, autoware.ids(CAMVID.names, ())),
        "outlines.cdr": messages.serialized_outlines(
            (7, 8), "eye", outlines.outlines(found((32, 40)), {8, 9, 10}, 1.0), CAMVID
        ),
    }
    for name, data in made.items():
        assert data == (GOLDEN / name).read_bytes(), name
    assert not lines(deserialize_message(messages.serialized_outlines((7, 8), "eye", [], CAMVID), ImageMarker))[0].size
    assert outlines.outlines(nothing(), {8}, 1.0) == []


def test_what_is_not_there_is_refused_and_the_node_lives(start, graph):
    node = start(autostart=False, autoware_classes=["car: TRUCK"])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert state(node) == "unconfigured"
    assert "'autoware_classes': got 'car: TRUCK', allowed: '<class>: <Autoware's>'" in str(node.problem)
    assert node.set_parameters([Parameter("autoware_classes", value=["car: BIKE"])])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    for name, value, why in (
        ("autoware_classes", ["dog: PERSON"], "got 'dog: PERSON', allowed"),
        ("outline_classes", ["car", "dog"], "allowed: 'sky', 'building'"),
        ("outline_tolerance", -1.0, "0.0"),
    ):
        refused = node.set_parameters([Parameter(name, value=value)])[0]
        assert not refused.successful
        assert why in refused.reason
    assert node.set_parameters([Parameter("outline_classes", value=["road"])])[0].successful
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS


def test_classes_that_autoware_does_not_know_are_named_at_configure(start, monkeypatch, capfd):
    segmenter = Objects()
    segmenter.classes = ClassMap(("car", "bin", "cone"), ((1, 2, 3),) * 3, frozenset({0, 1, 2}))
    monkeypatch.setattr(Segmenter, "open", lambda *_, **__: segmenter)
    node = start(autostart=False, autoware_classes=["cone: OBSTACLE"])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert "~/mask_rle: UNKNOWN to Autoware, set 'autoware_classes': bin\n" in capfd.readouterr().err
