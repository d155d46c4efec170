"""Parameters: described, ranged, validated; a wrong one is named and does not stop the node."""

import dataclasses

import pytest

rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")

from rcl_interfaces.msg import ParameterType  # noqa: E402
from rclpy.exceptions import ParameterNotDeclaredException  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from seg_ros.classes import CAMVID  # noqa: E402
from seg_ros.ros.parameter_server import ParameterServer  # noqa: E402
from seg_ros.ros.parameters import MaskSet, Parameters  # noqa: E402

MASKS = {"masks.people": ["pedestrian", "bicyclist"], "masks.drivable": ["road"]}
NAMES = [field.name for field in dataclasses.fields(Parameters) if field.name != "masks"] + list(MASKS)


@pytest.fixture
def start(ros):
    nodes = []

    def start(**overrides):
        node = ros.create_node(
            f"parameters_{len(nodes)}", parameter_overrides=[Parameter(k, value=v) for k, v in overrides.items()]
        )
        nodes.append(node)
        return node, ParameterServer(node)

    yield start
    for node in nodes:
        node.destroy_node()


def test_defaults(start):
    _, server = start()
    assert server.read() == Parameters()


def test_every_parameter_is_described_and_numbers_have_ranges(start):
    node, _ = start(**MASKS)
    for name in NAMES:
        descriptor = node.describe_parameter(name)
        assert len(descriptor.description) > 10
        if descriptor.type == ParameterType.PARAMETER_DOUBLE:
            assert descriptor.floating_point_range
        if descriptor.type == ParameterType.PARAMETER_INTEGER:
            assert descriptor.integer_range


def test_right_values_are_taken(start):
    values = {
        "overlay_alpha": 0.25, "engine": "eager", "threads": 1, "score_threshold": 0.75, "max_detections": 9,
        "batch": 4, "watchdog": 0.5, "input_reliability": "best_effort", "enabled": False, "max_rate": 10.0,
        "max_frame_age": 0.5,
    }  # fmt: skip
    lists = {"classes": ["car", "dog"], "input_topics": ["/front/image", "rear/image/compressed"]}
    _, server = start(**lists, **values)
    assert server.read() == Parameters(**{name: tuple(names) for name, names in lists.items()}, **values)


WRONG = [
    ("overlay_alpha", 7.0, "float 0.0 to 1.0"),
    ("overlay_alpha", "high", "float 0.0 to 1.0"),
    ("jpeg_quality", 0, "int 1 to 100"),
    ("engine", "warp", "'auto', 'tensorrt', 'inductor', 'openvino', 'eager'"),
    ("threads", -1, "int 0 to 256"),
    ("autostart", "yes", "bool"),
    ("input_topic", "bad topic", "a topic name"),
    ("input_topic", "", "a topic name"),
    ("input_topic", "/twice//slashed", "single /"),
    ("input_topic", "{robot}/image", "a topic name"),
    ("input_topic", "/" + 247 * "a", "at most 247 characters"),
    ("score_threshold", 1.5, "float 0.0 to 1.0"),
    ("mask_threshold", -0.5, "float 0.0 to 1.0"),
    ("max_detections", 65536, "int 1 to 65535"),
    ("max_detections", 0, "int 1 to 65535"),
    ("classes", [8, 9], "a list of class names"),
    ("classes", "car", "a list of class names"),
    ("batch", 0, "int 1 to 64"),
    ("batch", 65, "int 1 to 64"),
    ("watchdog", 0.0, "float 0.5 to 3600.0"),
    ("input_topics", "/front/image", "a list of topic names"),
    ("input_topics", [1, 2], "a list of topic names"),
    ("input_topics", ["/front/image", "bad topic"], "a list of topic names"),
    ("input_reliability", "best effort", "'auto', 'reliable', 'best_effort'"),
    ("enabled", "yes", "bool"),
    ("max_rate", -1.0, "float 0.0 to 1000.0"),
    ("max_rate", 1001, "float 0.0 to 1000.0"),
    ("max_frame_age", 3600.5, "float 0.0 to 3600.0"),
    ("mask_margin", 101, "int 0 to 100"),
    ("mask_hold", -0.5, "float 0.0 to 60.0"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_wrong_start_value_is_named_until_it_is_put_right(start, name, value, allowed):
    node, server = start(**{name: value})
    with pytest.raises(ValueError, match=rf"'{name}'") as caught:
        server.read()
    assert str(value) in str(caught.value)
    assert allowed in str(caught.value)
    right = getattr(Parameters(), name)
    right = list(right) if isinstance(right, tuple) else right
    assert node.set_parameters([Parameter(name, value=right)])[0].successful
    assert server.read() == Parameters()


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_wrong_live_value_is_refused_and_the_old_one_stays(start, name, value, allowed):
    node, server = start()
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert name in result.reason or "type" in result.reason  # a wrong type is rclpy's own refusal
    assert server.read() == Parameters()


FIXED = {
    "autostart", "weights", "model", "engine", "precision", "resize_mode", "max_native_sizes", "cache_dir", "threads",
    "batch", "watchdog", "input_topic", "input_topics", "input_reliability",
}  # fmt: skip


def test_what_needs_a_new_engine_or_subscription_is_fixed(start):
    node, server = start(**MASKS)
    server.lock(lambda _: None)
    for name in NAMES:
        result = node.set_parameters([node.get_parameter(name)])[0]
        assert result.successful is (name not in FIXED), name
        assert ("clean up the node first" in result.reason) is (name in FIXED), name


def test_several_values_are_set_together_or_not_at_all(start):
    node, server = start()
    both = [Parameter("overlay_alpha", value=0.1), Parameter("jpeg_quality", value=500)]
    assert not node.set_parameters_atomically(both).successful
    assert server.read() == Parameters()


def test_fixed_parameters_wait_for_cleanup(start):
    node, server = start()
    server.lock(lambda _: None)
    result = node.set_parameters([Parameter("weights", value="other")])[0]
    assert not result.successful
    assert "clean up the node first" in result.reason
    assert node.set_parameters([Parameter("overlay_alpha", value=0.75)])[0].successful
    server.unlock()
    assert node.set_parameters([Parameter("weights", value="other")])[0].successful
    assert server.read() == Parameters(weights="other", overlay_alpha=0.75)


@pytest.mark.parametrize(
    ("given", "topics"),
    [
        ({}, ["image"]),
        ({"input_topic": "/eye/image"}, ["/eye/image"]),
        ({"input_topics": ()}, ["image"]),
        ({"input_topics": ("", "")}, ["image"]),
        ({"input_topics": ("/front/image",)}, ["/front/image"]),
        ({"input_topics": ("rear/image", "", "/front/image")}, ["rear/image", "/front/image"]),
    ],
)
def test_topics(given, topics):
    assert Parameters(**given).topics() == topics


def test_one_camera_and_several_are_refused():
    with pytest.raises(ValueError, match="'input_topic' and 'input_topics'") as caught:
        Parameters(input_topic="/eye", input_topics=("/front/image", "")).topics()
    assert "'/eye' and ['/front/image']" in str(caught.value)


def test_whole_numbers_are_taken_for_floats(start):
    node, server = start(max_rate=5, watchdog=2)
    assert server.read() == Parameters(max_rate=5.0, watchdog=2.0)
    result = node.set_parameters_atomically([Parameter("max_rate", value=7), Parameter("overlay_alpha", value=1)])
    assert result.successful
    assert server.read() == Parameters(max_rate=7.0, watchdog=2.0, overlay_alpha=1.0)
    assert not node.set_parameters([Parameter("jpeg_quality", value=7.0)])[0].successful
    assert not node.set_parameters([Parameter("max_rate", value=True)])[0].successful


def test_unknown_parameters_in_a_file_are_named_with_the_nearest(ros, tmp_path, capfd):
    others = "".join(f"    other_{i}: 1\n" for i in range(20))
    file = tmp_path / "shared.yaml"
    file.write_text(
        f"/**:\n  ros__parameters:\n{others}    max_ratee: 5.0\n    max_rate: 5.0\n    use_sim_time: false\n"
        "    qos_overrides./mine/label.publisher.depth: 2\n"
        "another_node:\n  ros__parameters: {not_mine: 1}\n"
    )
    node = ros.create_node("mine", cli_args=["--ros-args", "--params-file", str(file)])
    assert ParameterServer(node).read().max_rate == 5.0
    (warning,) = [line for line in capfd.readouterr().err.splitlines() if "no such parameters" in line]
    assert "'max_ratee' (did you mean 'max_rate'?), 'other_0'" in warning
    assert warning.endswith("and 11 more")
    for known in ("use_sim_time", "qos_overrides", "not_mine"):
        assert known not in warning
    node.destroy_node()


@pytest.mark.parametrize("empty", [[], [""], Parameter("input_topics", Parameter.Type.NOT_SET)])
def test_no_topics_are_the_one(ros, empty):
    given = empty if isinstance(empty, Parameter) else Parameter("input_topics", value=empty)
    node = ros.create_node("no_topics", parameter_overrides=[given])
    assert ParameterServer(node).read().topics() == ["image"]
    node.destroy_node()


NO_CLASSES = {
    "no list": [],
    "what [] becomes in a parameters file": Parameter("classes", Parameter.Type.NOT_SET),
    "strings": Parameter("classes", Parameter.Type.STRING_ARRAY, []),
    "what ros2 param set makes of []": Parameter("classes", Parameter.Type.BOOL_ARRAY, []),
    "one empty name": [""],
}


@pytest.mark.parametrize("empty", NO_CLASSES)
def test_no_class_names_are_all_classes(ros, empty):
    given = NO_CLASSES[empty]
    given = given if isinstance(given, Parameter) else Parameter("classes", value=given)
    started = ros.create_node("started", parameter_overrides=[given])
    assert ParameterServer(started).read().selection(CAMVID).classes is None
    live = ros.create_node("live", parameter_overrides=[Parameter("classes", value=["car"])])
    server = ParameterServer(live)
    assert server.read().selection(CAMVID).classes == {8}
    accepted = live.set_parameters([given])[0].successful
    assert accepted is (given.type_ != Parameter.Type.NOT_SET)  # live, that would delete the parameter
    assert server.read().selection(CAMVID).classes == (None if accepted else {8})
    started.destroy_node()
    live.destroy_node()


def test_empty_list_in_a_parameters_file(ros, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    classes: []\n    input_topics: []\n")
    node = ros.create_node("mine", cli_args=["--ros-args", "--params-file", str(file)])
    assert ParameterServer(node).read() == Parameters()
    node.destroy_node()


def test_what_the_configured_network_cannot_take_is_refused(start):
    node, server = start(classes=["car"])
    server.lock(lambda parameters: parameters.selection(CAMVID, 0.05))
    assert "allowed: 0.05 to 1.0" in node.set_parameters([Parameter("score_threshold", value=0.01)])[0].reason
    result = node.set_parameters([Parameter("classes", value=["dog"])])[0]
    assert not result.successful
    assert "'car', 'pedestrian', 'bicyclist'" in result.reason
    assert server.read().classes == ("car",)
    assert node.set_parameters([Parameter("classes", value=["pedestrian"])])[0].successful
    server.unlock()
    assert node.set_parameters([Parameter("classes", value=["dog"])])[0].successful


def test_what_semantic_models_ignore_says_so(start):
    node, _ = start()
    for name in ("score_threshold", "mask_threshold", "classes", "max_detections"):
        assert "semantic models ignore it" in node.describe_parameter(name).description


def test_masks_are_those_that_the_node_is_started_with(start):
    node, server = start(**MASKS)
    people, drivable = MaskSet("people", ("pedestrian", "bicyclist")), MaskSet("drivable", ("road",))
    assert server.read() == Parameters(masks=(people, drivable))
    assert node.set_parameters([Parameter("masks.people", value=["car"])])[0].successful
    assert server.read() == Parameters(masks=(MaskSet("people", ("car",)), drivable))
    with pytest.raises(ParameterNotDeclaredException):
        node.set_parameters([Parameter("masks.animals", value=["dog"])])
    assert Parameters() == start()[1].read()


@pytest.mark.parametrize(
    "name", ["masks.2x", "masks.a b", "masks.a/b", "masks.people.classes", "masks.", "masks.é", "masks"]
)
def test_a_mask_of_a_name_that_is_no_topic_is_refused(start, name):
    _, server = start(**{name: ["car"]})
    with pytest.raises(ValueError, match=f"'{name}'.*allowed: masks.NAME, of ASCII letters, digits and _"):
        server.read()


@pytest.mark.parametrize("value", ["car", 8, [8]])
def test_a_mask_that_is_no_list_of_names_is_refused_until_it_is_put_right(start, value):
    node, server = start(**{"masks.people": value})
    with pytest.raises(ValueError, match=r"'masks.people': got .*, allowed: a list of class names"):
        server.read()
    assert not node.set_parameters([Parameter("masks.people", value=value)])[0].successful
    assert node.set_parameters([Parameter("masks.people", value=["car"])])[0].successful
    assert server.read().masks == (MaskSet("people", ("car",)),)
