"""The table of output topics: which task has which, what fills them, what is made once and only if asked."""

import itertools
import types

import numpy as np
import pytest
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from seg_ros import overlay
from seg_ros.classes import CAMVID, UNLABELLED
from seg_ros.results import Frame, Instances, Result, SemanticMap
from seg_ros.ros import messages
from seg_ros.ros.outputs import OUTPUTS, LabelInfo, Outcome, Publishers
from seg_ros.ros.parameters import Parameters
from test.conftest import wait_for
from test.objects import found

SEMANTIC = {"label", "confidence", "color", "overlay", "overlay/compressed", "mask_rle", "outlines", "camera_info"}
INSTANCES = SEMANTIC | {"instances", "instance_ids", "track_ids"} | ({"detections"} if messages.vision else set())
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def pixels(image, dtype=np.uint8):
    return np.frombuffer(image.data, dtype).reshape(image.height, image.width, -1).squeeze()


def filled(name, outcome):
    """The message of a topic, which may be filled with a serialised one."""
    message = OUTPUTS[name].fill(outcome)
    return deserialize_message(message, OUTPUTS[name].message) if isinstance(message, bytes) else message


@pytest.fixture
def frame():
    return Frame(np.random.default_rng(0).integers(0, 256, (48, 72, 3), np.uint8), True, (7, 8), "eye")


@pytest.fixture
def outcome(frame):
    info = CameraInfo(header=messages.header(frame), height=48, width=72)
    return Outcome(Result(frame, found(), {}), CAMVID, Parameters(overlay_alpha=0.25), info)


def test_an_instance_network_has_every_topic_a_semantic_one_its_own():
    assert {name for name, row in OUTPUTS.items() if "semantic" in row.tasks} == SEMANTIC
    assert {name for name, row in OUTPUTS.items() if "instances" in row.tasks} == INSTANCES == set(OUTPUTS)


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_carries_the_header(outcome, name):
    message = filled(name, outcome)
    assert isinstance(message, OUTPUTS[name].message)
    assert message.header == outcome.header
    assert message.header.frame_id == "eye"


def test_objects_fill_the_semantic_topics_too(outcome):
    label, confidence, color, ids = (
        pixels(filled(name, outcome), dtype)
        for name, dtype in (("label", "u1"), ("confidence", "u1"), ("color", "u1"), ("instance_ids", "<u2"))
    )
    np.testing.assert_array_equal(ids, found().ids())
    assert set(label[ids == 0]) == {UNLABELLED}
    assert set(label[ids == 2]) == {9}
    assert set(confidence[ids == 2]) == {191}
    np.testing.assert_array_equal(color, CAMVID.palette()[label])


def test_the_overlay_is_the_one_of_the_result(frame, outcome):
    drawn = overlay.instances(frame, found(), CAMVID, 0.25)
    np.testing.assert_array_equal(pixels(filled("overlay", outcome)), drawn)
    label = np.full((48, 72), 3, np.uint8)
    semantic = Outcome(Result(frame, SemanticMap(label), {}), CAMVID, Parameters(overlay_alpha=0.25))
    drawn = overlay.overlay(frame, label, CAMVID.palette(), 0.25)
    np.testing.assert_array_equal(pixels(filled("overlay", semantic)), drawn)


def test_what_topics_share_is_made_once_and_only_if_asked(frame, monkeypatch):
    made, semantic = [], Instances.semantic
    monkeypatch.setattr(Instances, "semantic", lambda self: made.append("semantic") or semantic(self))
    monkeypatch.setattr(overlay, "draw", lambda *_: made.append("overlay") or frame.pixels)
    outcome = Outcome(Result(frame, found(), {}), CAMVID, Parameters())
    assert made == []
    for name in ("label", "confidence", "color"):
        OUTPUTS[name].fill(outcome)
    assert made == ["semantic"]
    for name in ("overlay", "overlay/compressed"):
        OUTPUTS[name].fill(outcome)
    assert made == ["semantic", "overlay"]


def test_the_quality_of_the_jpeg_is_the_parameters(frame):
    jpegs = [
        filled("overlay/compressed", Outcome(Result(frame, found(), {}), CAMVID, Parameters(jpeg_quality=quality)))
        for quality in (10, 95)
    ]
    assert len(jpegs[0].data) < len(jpegs[1].data)


NUMBERS = itertools.count()


@pytest.fixture
def named(graph):
    """Makes a node whose name no other test has: the graph remembers the nodes of the tests before for a while."""

    def named(**overrides):
        name = f"segmentation_{next(NUMBERS)}"
        parameters = [Parameter(key.format(name), value=value) for key, value in overrides.items()]
        return graph.add(LifecycleNode(name, parameter_overrides=parameters))

    return named


@pytest.fixture
def node(named):
    return named()


def published(node):
    topics = node.get_publisher_names_and_types_by_node(node.get_name(), "/")
    return {name.removeprefix(f"/{node.get_name()}/") for name, _ in topics}


@pytest.mark.parametrize("camera", ["", "front"])
@pytest.mark.parametrize(("task", "names"), [("semantic", SEMANTIC), ("instances", INSTANCES)])
def test_topics_of_a_task_come_and_go(node, task, names, camera):
    before = published(node)
    publishers = Publishers(node, task, camera, ["people"])
    names = {*names, "mask/people"}
    names = {f"{camera}/{name}".lstrip("/") for name in names}
    wait_for(lambda: published(node) - before == names)
    assert publishers.wanted() == []
    publishers.destroy()
    wait_for(lambda: published(node) == before)


def test_only_wanted_topics_are_filled_and_published(graph, node, outcome, monkeypatch):
    asked, image = [], outcome.image
    monkeypatch.setattr(outcome, "image", lambda *given: asked.append(given[1]) or image(*given))
    publishers = Publishers(node, "instances")
    received = graph.collect(Image, f"/{node.get_name()}/instance_ids")
    wait_for(lambda: publishers.wanted() == ["instance_ids"])
    node.trigger_configure()
    node.trigger_activate()
    publishers.publish(outcome, publishers.wanted())
    ids = wait_for(lambda: received)[0]
    np.testing.assert_array_equal(pixels(ids, "<u2"), found().ids())
    assert asked == ["16UC1"]
    publishers.destroy()


def reliability(graph, topic):
    infos = wait_for(lambda: graph.client.get_publishers_info_by_topic(topic))
    return [info.qos_profile.reliability for info in infos]


def test_quality_of_service_of_an_output_can_be_overridden(graph, named):
    node = named(**{"qos_overrides./{}/label.publisher.reliability": "best_effort"})
    for _ in range(2):  # also when it is configured again
        publishers = Publishers(node, "semantic")
        assert reliability(graph, f"/{node.get_name()}/label") == [ReliabilityPolicy.BEST_EFFORT]
        assert reliability(graph, f"/{node.get_name()}/color") == [ReliabilityPolicy.RELIABLE]
        publishers.destroy()
        for name in ("label", "color"):  # the graph forgets in its own time
            wait_for(lambda name=name: not graph.client.get_publishers_info_by_topic(f"/{node.get_name()}/{name}"))


def test_a_wrong_override_leaves_no_publisher(named):
    node = named(**{"qos_overrides./{}/overlay.publisher.reliability": "maybe"})
    before = len(list(node.publishers))
    with pytest.raises(RuntimeError, match="maybe"):
        Publishers(node, "semantic")
    assert len(list(node.publishers)) == before


def test_the_node_takes_the_override(graph, start):
    overrides = {"qos_overrides./segmentation/label.publisher.reliability": "best_effort"}
    node = start(autostart=False, **overrides)
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert reliability(graph, "/segmentation/label") == [ReliabilityPolicy.BEST_EFFORT]
    assert reliability(graph, "/segmentation/overlay") == [ReliabilityPolicy.RELIABLE]


@pytest.mark.skipif(messages.vision is None, reason="vision_msgs is not installed")
def test_label_info_waits_for_who_comes_late(graph, node):
    label_info = LabelInfo(node, CAMVID)
    label_info.tell(0.25)
    infos = graph.collect(messages.vision.LabelInfo, f"/{node.get_name()}/label_info", LATCHED)
    wait_for(lambda: infos)
    assert [c.class_name for c in infos[0].class_map] == list(CAMVID.names)
    assert infos[0].threshold == 0.25
    assert infos[0].header.stamp.sec > 0
    label_info.destroy()
    wait_for(lambda: "label_info" not in published(node))


def test_without_vision_msgs_the_node_says_so(node, monkeypatch):
    monkeypatch.setattr(messages, "vision", None)
    said = []
    logger = types.SimpleNamespace(info=lambda text, once: said.append((text, once)))
    monkeypatch.setattr(node, "get_logger", lambda: logger)
    before = published(node)
    label_info = LabelInfo(node, CAMVID)
    label_info.tell(0.0)
    assert published(node) == before
    label_info.destroy()
    assert said == [("vision_msgs is not installed: no ~/label_info, no ~/detections", True)]
