"""Any values for any parameters, in any order: each is set or refused with a reason, and what is set is allowed."""

import dataclasses

import pytest

pytest.importorskip("hypothesis", reason="hypothesis is not installed")
pytest.importorskip("rclpy", reason="rclpy is not installed")

from hypothesis import strategies as st
from rclpy.exceptions import ParameterNotDeclaredException
from rclpy.parameter import Parameter

from seg_ros.ros.node import SegmentationNode
from seg_ros.ros.parameters import Parameters
from test.fuzz.budget import fuzz

FIELDS = {field.name: field for field in dataclasses.fields(Parameters)}
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats() | st.sampled_from([-1, 0, 1, 8, 0.0, -0.0, 0.5, 1e308])
TEXTS = st.text(max_size=20) | st.sampled_from(["", "/", "//", "~", "/a b", "{node}", "a" * 300, "\0", "\x1b"])
LISTS = st.lists(TEXTS, max_size=3) | st.lists(st.booleans(), max_size=2) | st.lists(st.floats(), max_size=2)
ALLOWED = st.sampled_from([value for f in FIELDS.values() for value in (*f.metadata.get("choices", ()), f.default)])
VALUES = st.booleans() | NUMBERS | TEXTS | LISTS | st.binary(max_size=4) | ALLOWED
NAMES = st.sampled_from([*FIELDS, "use_sim_time", "max_ratee", "qos_overrides./a.publisher.depth", ""])


@pytest.fixture
def node(ros):
    node = SegmentationNode()
    yield node
    node.destroy_node()


def parameter(name, value):
    """None for what rclpy itself has no type for."""
    try:
        return Parameter(name, value=list(value) if isinstance(value, tuple) else value)
    except TypeError:
        return None


def check(node, changes, together):
    made = [made for name, value in changes if (made := parameter(name, value))]
    set_ = node.set_parameters_atomically if together else node.set_parameters
    try:
        results = set_(made)
    except ParameterNotDeclaredException:
        results = []
    for result in [results] if together and results else results:
        assert result.successful or result.reason
    values = node._parameter_server.read()
    for name, field in FIELDS.items():
        value, rules = getattr(values, name), field.metadata
        assert type(value) is type(field.default)
        if "choices" in rules:
            assert value in rules["choices"]
        if "minimum" in rules:
            assert rules["minimum"] <= value <= rules["maximum"]


def test_a_parameter_is_set_or_refused(node):
    changes = st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3)
    fuzz(changes, st.booleans())(lambda changes, together: check(node, changes, together))()
