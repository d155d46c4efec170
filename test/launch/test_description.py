"""The launch description: arguments, and the processes that they start."""

import dataclasses
import sys

import pytest

from seg_ros import fast_dds


@pytest.fixture
def started(segment):
    """The processes that a launch with these arguments starts: name of the executable -> action."""
    from launch import LaunchContext

    def started(**given):
        context = LaunchContext()
        context.launch_configurations.update(given)
        for argument in segment.arguments():
            argument.visit(context)
        nodes = {node.node_executable: node for node in segment.nodes(context)}
        return {name: n for name, n in nodes.items() if n.condition is None or n.condition.evaluate(context)}

    return started


def test_arguments(segment):
    from seg_ros.engines import ENGINES
    from seg_ros.ros.parameters import Parameters

    arguments = {a.name: a for a in segment.generate_launch_description().get_launch_arguments()}
    assert set(arguments) == {
        "params_file", "profile", "weights", "model", "engine", "input_topic", "input_topics", "namespace", "camera",
        "rviz", "view", "log_level", "respawn", "depth_topic", "points_topic",
    }  # fmt: skip
    for name, argument in arguments.items():
        assert len(argument.description) > 15, name
        assert argument.default_value is not None, name
    assert set(arguments["engine"].choices) == {"", "auto", *ENGINES}
    assert set(arguments["profile"].choices) >= {"", "nav2", "nvblox", "moveit"}
    assert set(segment.PARAMETERS) < {field.name for field in dataclasses.fields(Parameters)}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, {"node"}),
        ({"camera": "true"}, {"node", "camera"}),
        ({"camera": "True", "rviz": "true"}, {"node", "camera", "rviz2"}),
        ({"depth_topic": "/camera/depth/image_raw"}, {"node", "lift"}),
        ({"view": "true", "depth_topic": "/d"}, {"node", "lift", "view"}),
        ({"points_topic": "/lidar", "camera": "true"}, {"node", "camera", "lift"}),
    ],
)
def test_processes(started, segment, monkeypatch, prefix, given, names):
    monkeypatch.setattr(segment, "find_spec", lambda name: name)  # as if viser were there
    (prefix / "share/ament_index/resource_index/packages/rviz2").touch()
    assert set(started(**given)) == names


def test_a_missing_rviz_is_named(started, segment, monkeypatch):
    def missing(name):
        raise segment.PackageNotFoundError(name)

    monkeypatch.setattr(segment, "get_package_prefix", missing)
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    with pytest.raises(RuntimeError, match=r"^rviz:=true needs rviz2, .* apt install ros-jazzy-rviz2, "):
        started(rviz="true")
    assert set(started()) == {"node"}


def test_a_missing_viser_is_named(started, segment, monkeypatch):
    monkeypatch.setattr(segment, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"^view:=true needs viser, .* pip install -r requirements/view.txt"):
        started(view="true")


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ({}, None),
        ({"model": "mask_rcnn"}, None),
        ({"camera": "true"}, "unet_street"),
        ({"camera": "true", "model": "mask_rcnn"}, "mask_rcnn_street"),
        ({"camera": "true", "model": "mask_rcnn", "weights": "mine"}, "mine"),
        ({"camera": "true", "profile": "moveit"}, "mask_rcnn_street"),
    ],
)
def test_weights_of_the_street(segment, monkeypatch, given, weights):
    from launch import LaunchContext

    made = []
    monkeypatch.setattr(segment, "Node", lambda **options: made.append(options))
    context = LaunchContext()
    context.launch_configurations.update(given)
    for argument in segment.arguments():
        argument.visit(context)
    segment.nodes(context)
    (node,) = (options for options in made if options["executable"] == "node")
    _file, *arguments = node["parameters"]
    chosen = arguments[-1].get("weights") if arguments else None
    assert getattr(chosen, "value", chosen) == weights


@pytest.mark.parametrize(
    ("cameras", "names"),
    [
        ([], {"lift": "segmentation"}),
        (["/front/image_raw"], {"lift": "segmentation"}),
        (["front/image_raw", "rear/image_raw"], {"lift_front": "segmentation/front", "lift_rear": "segmentation/rear"}),
        (["/a/eye/image", "eye/image"], {"lift_a_eye": "segmentation/a_eye", "lift_car_eye": "segmentation/car_eye"}),
    ],
)
def test_each_camera_beside_a_lidar_has_a_lift_of_its_own(segment, started, cameras, names):
    assert segment.lift_names("/car", cameras) == names
    assert set(started(input_topics=str(cameras), points_topic="/lidar")) == {"node", "lift"}


def test_a_depth_image_of_several_cameras_is_refused(started):
    with pytest.raises(ValueError, match=r"^depth_topic is of one camera, and input_topics names 2: "):
        started(input_topics="[/front/image_raw, /rear/image_raw]", depth_topic="/depth")


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("[/front/image_raw, /rear/image_raw]", ["/front/image_raw", "/rear/image_raw"]),
        ("['/front/image_raw']", ["/front/image_raw"]),
        ("[]", []),
    ],
)
def test_topics_are_a_yaml_list(segment, text, topics):
    assert segment.topics(text) == topics


@pytest.mark.parametrize("text", ["/front/image_raw", "[/front/image_raw", "[1, 2]", "['']", "{front: image}"])
def test_topics_that_are_no_list_are_refused(segment, text):
    with pytest.raises(ValueError, match=r"^input_topics: ") as caught:
        segment.topics(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("wrong", [{"engine": "warp"}, {"camera": "maybe"}, {"log_level": "loud"}, {"profile": "nav3"}])
def test_wrong_choice_is_refused(started, wrong):
    (name,) = wrong
    with pytest.raises(RuntimeError, match=name):
        started(**wrong)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("imput_topic:=/x", "imput_topic is no argument of segment.launch.py; did you mean input_topic"),
        ("max_rate:=5", "a parameter of the node: write it into a params_file"),
        ("zzz:=1", "--show-args"),
    ],
)
def test_an_argument_that_does_not_exist_is_refused(segment, monkeypatch, word, hint):
    segment.check([word])  # of the launch file that includes this one
    monkeypatch.setattr(sys, "argv", ["ros2", "launch", "seg_ros", "segment.launch.py", word])
    with pytest.raises(ValueError, match=hint):
        segment.check([word])
    segment.check(["camera:=true", "launch-prefix:=gdb"])


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "segmentation"),
        ({"namespace": "robot/front"}, "robot.front.segmentation"),
        ({"ros_namespace": "/fleet", "namespace": "robot"}, "fleet.robot.segmentation"),
    ],
)
def test_the_log_level_is_that_of_the_nodes_own_logger(segment, given, name):
    from launch import LaunchContext

    context = LaunchContext()
    context.launch_configurations.update({"namespace": ""} | given)
    assert segment.logger(context) == name


def test_missing_parameters_file_is_named(started, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nope\.yaml"):
        started(params_file=str(tmp_path / "nope.yaml"))


def test_fast_dds_profile(segment, monkeypatch):
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    for name in fast_dds.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (action,) = segment.fast_dds_profile()
    given = tuple(perform_substitutions(LaunchContext(), part) for part in (action.name, action.value))
    assert [given] == list(fast_dds.settings().items())
    monkeypatch.setenv(given[0], "/mine.xml")
    assert segment.fast_dds_profile() == []
