"""Binary masks on a real ROS graph: their pixels, what of them is live, what is refused."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from seg_ros.classes import CAMVID
from seg_ros.masks import widened
from seg_ros.results import SemanticMap
from seg_ros.ros.node import SegmentationNode
from seg_ros.segmenter import Segmenter
from test.conftest import wait_for
from test.nodes import Nothing, Objects, active, picture, run_on, send, state
from test.objects import found

MASKS = {"masks.people": ["pedestrian", "bicyclist"], "masks.drivable": ["road"]}
PEOPLE, ROAD = [9, 10], [3]


class Labels(Nothing):
    """In place of a runner: these classes, by default every one, and pixels without."""

    def __init__(self, *classes):
        self.classes = classes or (*range(len(CAMVID)), 255)

    def output(self, size, wanted):
        return SemanticMap(np.random.default_rng(0).choice(np.array(self.classes, np.uint8), size))


def pixels(message):
    assert (message.encoding, message.step, message.is_bigendian) == ("mono8", message.width, 0)
    return np.frombuffer(message.data, np.uint8).reshape(message.height, message.width)


def label_of(size):
    return Labels().output(size, None).label


@pytest.fixture
def masked(start, graph):
    """An active node with two masks and what it published of them, and its camera."""
    node = start(**MASKS)
    active(node)
    run_on(node, Labels())
    masks = [graph.collect(Image, f"/segmentation/mask/{name}") for name in ("people", "drivable")]
    return node, graph.publisher(Image, "/eye/image"), *masks


def set_(node, **values):
    return node.set_parameters_atomically([Parameter(k.replace("__", "."), value=v) for k, v in values.items()])


def after(camera, received, message):
    """The mask of a picture that is sent only once."""
    received.clear()
    camera.publish(message)
    return pixels(wait_for(lambda: received and received[-1]))


def test_masks_of_labels(masked):
    _node, camera, people, drivable = masked
    for stamp, size in enumerate([(48, 72), (47, 71), (1, 1), (1, 4), (4, 1)], 1):
        people.clear(), drivable.clear()
        message = picture(stamp, size)
        send(camera, message, people, drivable)
        for received, ids in ((people, PEOPLE), (drivable, ROAD)):
            assert received[-1].header == message.header
            np.testing.assert_array_equal(pixels(received[-1]), np.isin(label_of(size), ids) * 255)


def test_masks_of_objects(start, graph, monkeypatch):
    monkeypatch.setattr(Segmenter, "open", lambda *_, **__: Objects())
    active(start(**{"masks.people": ["pedestrian", "bicyclist"], "masks.vehicles": ["car"]}))
    camera = graph.publisher(Image, "/eye/image")
    people, vehicles = (graph.collect(Image, f"/segmentation/mask/{name}") for name in ("people", "vehicles"))
    send(camera, picture(), people, vehicles)
    np.testing.assert_array_equal(pixels(people[-1]), found().mask(PEOPLE))
    np.testing.assert_array_equal(pixels(vehicles[-1]), found().mask([8]))


def test_classes_margin_and_hold_are_live(masked):
    node, camera, people, drivable = masked
    send(camera, picture(), people, drivable)
    assert set_(node, masks__people=["pedestrian"], mask_margin=2).successful
    seen = np.where(label_of((9, 8)) == 9, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(after(camera, people, picture(2, (9, 8))), widened(seen, 2))

    assert set_(node, mask_margin=0, mask_hold=5.0).successful
    people_only, sky_only = Labels(9), Labels(0)
    for runner, stamp, value in [
        (people_only, 3, 255),
        (sky_only, 8, 255),  # 5 s later
        (sky_only, 9, 0),
        (people_only, 10, 255),
        (sky_only, 4, 0),  # the stamp went back
    ]:
        run_on(node, runner)
        assert (after(camera, people, picture(stamp)) == value).all(), stamp


def test_each_camera_has_masks_of_its_own(start, graph):
    node = start(input_topics=["/front/image", "/rear/image"], mask_hold=60.0, **MASKS)
    active(node)
    cameras = [graph.publisher(Image, f"/{name}/image") for name in ("front", "rear")]
    front, rear = (graph.collect(Image, f"/segmentation/{name}/mask/people") for name in ("front", "rear"))
    run_on(node, Labels(9))
    send(cameras[0], picture(1), front)
    run_on(node, Labels(0))
    send(cameras[1], picture(2), rear)
    assert not any(pixels(message).any() for message in rear)
    assert after(cameras[0], front, picture(2)).all()  # the front camera's is held


def test_a_mask_of_an_unknown_class_fails_configure_and_is_refused_live(start):
    node = start(autostart=False, **{"masks.animals": ["dog"]})
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert state(node) == "unconfigured"
    allowed = "allowed: one or more of 'sky', 'building', 'pole'"
    assert f"parameter 'masks.animals': got ['dog'], {allowed}" in str(node.problem)
    assert set_(node, masks__animals=["car"]).successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert allowed in set_(node, masks__animals=["dog"]).reason
    assert node._settings.masks[0].classes == ("car",)


def test_a_mask_whose_name_is_no_topic_fails_configure(start):
    node = start(autostart=False, **{"masks.front left": ["car"]})
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "parameter 'masks.front left': got that name, allowed: masks.NAME" in str(node.problem)


def test_two_masks_on_one_topic_fail_configure(graph, small_weights):
    values = {"weights": str(small_weights), "engine": "eager", "autostart": False} | MASKS
    node = SegmentationNode(
        parameter_overrides=[Parameter(k, value=v) for k, v in values.items()],
        cli_args=["--ros-args", "-r", "~/mask/people:=/mask", "-r", "~/mask/drivable:=/mask"],
    )
    graph.add(node)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert "outputs '~/mask/people' and '~/mask/drivable': got '/mask' for both" in str(node.problem)
