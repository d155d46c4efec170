"""Parameters: described, ranged, validated; a wrong one is named and does not stop the node."""

import dataclasses

import pytest

rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")

from rcl_interfaces.msg import ParameterType  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from seg_ros.ros.parameters import Parameters, ParameterServer  # noqa: E402


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
    node, _ = start()
    for field in dataclasses.fields(Parameters):
        descriptor = node.describe_parameter(field.name)
        assert len(descriptor.description) > 10
        if descriptor.type == ParameterType.PARAMETER_DOUBLE:
            assert descriptor.floating_point_range
        if descriptor.type == ParameterType.PARAMETER_INTEGER:
            assert descriptor.integer_range


def test_right_values_are_taken(start):
    _, server = start(overlay_alpha=0.25, engine="eager", threads=1)
    assert (server.read().overlay_alpha, server.read().engine, server.read().threads) == (0.25, "eager", 1)


WRONG = [
    ("overlay_alpha", 7.0, "float 0.0 to 1.0"),
    ("overlay_alpha", "high", "float 0.0 to 1.0"),
    ("jpeg_quality", 0, "int 1 to 100"),
    ("engine", "warp", "'auto', 'inductor', 'eager'"),
    ("threads", -1, "int 0 to 256"),
    ("autostart", "yes", "bool"),
    ("input_topic", "bad topic", "a topic name"),
    ("input_topic", "", "a topic name"),
]


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_wrong_start_value_is_named_until_it_is_put_right(start, name, value, allowed):
    node, server = start(**{name: value})
    with pytest.raises(ValueError, match=rf"'{name}'") as caught:
        server.read()
    assert str(value) in str(caught.value)
    assert allowed in str(caught.value)
    right = getattr(Parameters(), name)
    assert node.set_parameters([Parameter(name, value=right)])[0].successful
    assert server.read() == Parameters()


@pytest.mark.parametrize(("name", "value", "allowed"), WRONG)
def test_wrong_live_value_is_refused_and_the_old_one_stays(start, name, value, allowed):
    node, server = start()
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert name in result.reason or "type" in result.reason  # a wrong type is rclpy's own refusal
    assert server.read() == Parameters()


def test_several_values_are_set_together_or_not_at_all(start):
    node, server = start()
    both = [Parameter("overlay_alpha", value=0.1), Parameter("jpeg_quality", value=500)]
    assert not node.set_parameters_atomically(both).successful
    assert server.read() == Parameters()


def test_fixed_parameters_wait_for_cleanup(start):
    node, server = start()
    server.locked = True
    result = node.set_parameters([Parameter("weights", value="other")])[0]
    assert not result.successful
    assert "clean up the node first" in result.reason
    assert node.set_parameters([Parameter("overlay_alpha", value=0.75)])[0].successful
    server.locked = False
    assert node.set_parameters([Parameter("weights", value="other")])[0].successful
    assert server.read() == Parameters(weights="other", overlay_alpha=0.75)
