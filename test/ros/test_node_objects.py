"""The node with networks that find objects."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from seg_ros.classes import CAMVID
from seg_ros.ros import messages
from seg_ros.ros.camera_info import TOPIC
from seg_ros.ros.outputs import OUTPUTS
from seg_ros.segmenter import Segmenter
from seg_ros_msgs.msg import InstanceMaskArray
from test.conftest import wait_for
from test.nodes import Objects, active, picture, send, state
from test.objects import found


@pytest.fixture
def objects(monkeypatch):
    """Every node that is configured finds objects, on this segmenter."""
    segmenter = Objects()
    monkeypatch.setattr(Segmenter, "open", lambda *_, **__: segmenter)
    return segmenter


def test_every_output_of_an_instance_network(objects, start, graph):
    node = start(track=False)
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    rows = {name: row.message for name, row in OUTPUTS.items() if name != TOPIC}  # that comes with a calibration only
    received = {name: graph.collect(kind, f"/segmentation/{name}") for name, kind in rows.items()}
    wait_for(lambda: len(node.cameras[0].publishers.wanted()) == len(rows))
    message = picture()
    send(camera, message, *received.values())
    for messages_ in received.values():
        assert messages_[-1].header == message.header
    result = found((48, 72))
    assert received["instances"][-1] == messages.instances(message.header, result, CAMVID)
    ids = np.frombuffer(received["instance_ids"][-1].data, "<u2").reshape(48, 72)
    np.testing.assert_array_equal(ids, result.ids())
    label = np.frombuffer(received["label"][-1].data, np.uint8).reshape(48, 72)
    np.testing.assert_array_equal(label, result.semantic().label)


def test_live_parameters_choose_the_objects_of_the_next_frame(objects, start, graph):
    node = start(classes=["car", "pedestrian"], score_threshold=0.25)
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    send(camera, picture(), graph.collect(Image, "/segmentation/instance_ids"))
    chosen = objects.selections[-1]
    assert (chosen.classes, chosen.score_threshold, chosen.max_detections) == ({8, 9}, 0.25, 100)
    new = {"classes": [""], "score_threshold": 0.75, "mask_threshold": 0.25, "max_detections": 7}
    assert node.set_parameters_atomically([Parameter(k, value=v) for k, v in new.items()]).successful
    before = len(objects.selections)
    camera.publish(picture(2))
    wait_for(lambda: len(objects.selections) > before)
    chosen = objects.selections[-1]
    assert (chosen.score_threshold, chosen.mask_threshold, chosen.classes, chosen.max_detections) == (
        0.75,
        0.25,
        None,
        7,
    )


def test_an_unknown_class_fails_configure_and_is_refused_live(objects, start, small_weights):
    node = start(autostart=False, classes=["dog"])
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert state(node) == "unconfigured"
    assert "got ['dog'], allowed: 'car', 'pedestrian', 'bicyclist'" in str(node.problem)
    assert node._segmenter is None
    assert node.set_parameters([Parameter("classes", value=["car"])])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    refused = node.set_parameters([Parameter("classes", value=["dog"])])[0]
    assert "'car', 'pedestrian', 'bicyclist'" in refused.reason
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert node.set_parameters([Parameter("classes", value=["dog"])])[0].successful  # the next weights may know it


def test_objects_that_were_cut_off_are_counted_in_diagnostics(objects, start, graph):
    active(start())
    camera = graph.publisher(Image, "/eye/image")
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    send(camera, picture(), graph.collect(Image, "/segmentation/instance_ids"))

    def capped():
        return int({v.key: v.value for v in statuses[-1].status[0].values}["objects_capped"]) if statuses else 0

    wait_for(lambda: capped() == 2 * len(objects.selections) > 0)


def test_semantic_networks_ignore_the_choice_of_objects(start, graph):
    active(start(classes=["dog"]))
    send(graph.publisher(Image, "/eye/image"), picture(), graph.collect(Image, "/segmentation/label"))


def test_a_real_network_from_objects_to_labels_and_back(start, graph, small_weights, small_instance_weights):
    node = start(weights=str(small_instance_weights), score_threshold=0.05, mask_threshold=0.0)
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    instances = graph.collect(InstanceMaskArray, "/segmentation/instances")
    ids = graph.collect(Image, "/segmentation/instance_ids")
    labels = graph.collect(Image, "/segmentation/label")
    wait_for(lambda: len(node.cameras[0].publishers.wanted()) == 3)
    for size in ((48, 72), (47, 71), (5, 300)):
        del instances[:], ids[:], labels[:]
        send(camera, picture(size[0], size), instances, ids, labels)
        height, width = size
        message = instances[-1]
        assert (message.height, message.width, message.header.frame_id) == (height, width, "eye")
        assert [i.id for i in message.instances] == list(range(1, len(message.instances) + 1))
        assert all(
            i.mask.step == i.roi.width and len(i.mask.data) == i.roi.width * i.roi.height for i in message.instances
        )
        assert {i.class_id for i in message.instances} <= CAMVID.things
        at = np.frombuffer(ids[-1].data, "<u2").reshape(size)
        classes = np.array([255] + [i.class_id for i in message.instances], np.uint8)
        np.testing.assert_array_equal(np.frombuffer(labels[-1].data, np.uint8).reshape(size), classes[at])

    def switch(weights):
        for step in (node.trigger_deactivate, node.trigger_cleanup):
            assert step() == TransitionCallbackReturn.SUCCESS
        assert node.set_parameters([Parameter("weights", value=str(weights))])[0].successful
        for step in (node.trigger_configure, node.trigger_activate):
            assert step() == TransitionCallbackReturn.SUCCESS
        del labels[:]
        send(camera, picture(9), labels)

    switch(small_weights)
    assert "instances" not in node.cameras[0].publishers.wanted()
    switch(small_instance_weights)
    wait_for(lambda: "instances" in node.cameras[0].publishers.wanted())
