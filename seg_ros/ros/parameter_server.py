"""Declares the parameters on a node, and refuses wrong values with what is allowed."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from seg_ros.ros.parameters import Parameters

_NAMED = 10
"""Most unknown parameters that are named."""


class ParameterServer:
    """Declares the fields of `Parameters` on a node and keeps them valid.

    A wrong value that the node is started with does not stop the node: the parameter takes its default, and
    `read` raises until a right value is set.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wrong: dict[str, str] = {}
        self._accept: Callable[[Parameters], object] | None = None
        node.add_pre_set_parameters_callback(_whole_numbers)
        node.add_on_set_parameters_callback(self._check_all)
        overrides = node._parameter_overrides  # rclpy has no public way to ask for them
        overrides.update({p.name: p for p in _whole_numbers(list(overrides.values()))})
        for field in dataclasses.fields(Parameters):
            descriptor, is_list = _descriptor(field), isinstance(field.default, tuple)
            default = list(field.default) if is_list else field.default
            try:
                node.declare_parameter(field.name, default, descriptor)
            except (InvalidParameterValueException, InvalidParameterTypeException):
                node.declare_parameter(field.name, default, descriptor, ignore_override=True)
                override = overrides[field.name].value
                if override is None and is_list:  # what becomes of [] in a parameters file
                    continue
                self._wrong[field.name] = (
                    f"{_not_allowed(field, override)}; set it with ros2 param set, then configure again"
                )
        # Those of the qualities of service are declared with the outputs.
        unknown = [n for n in overrides if not node.has_parameter(n) and not n.startswith("qos_overrides.")]
        if unknown:  # no error: a file for several nodes may have parameters of the others
            node.get_logger().warning("the node has no such parameters, they are ignored: " + _with_nearest(unknown))

    def read(self) -> Parameters:
        """Returns the current values.

        Raises:
            ValueError: if the node was started with a wrong value; names parameter, value and what is allowed.
        """
        if self._wrong:
            raise ValueError("; ".join(self._wrong.values()))
        values = {field.name: self._node.get_parameter(field.name).value for field in dataclasses.fields(Parameters)}
        return Parameters(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})

    def lock(self, accept: Callable[[Parameters], object] = lambda _: None) -> None:
        """Refuses changes of fixed parameters until `unlock`, because the node is, or is being, configured with them.

        Args:
            accept: raises ValueError for live values that what is configured cannot take.
        """
        self._accept = accept

    def unlock(self) -> None:
        """Accepts changes of all parameters again."""
        self._accept = None

    def _check_all(self, parameters: list[Parameter]) -> SetParametersResult:
        fields = {field.name: field for field in dataclasses.fields(Parameters)}
        mine = [p for p in parameters if p.name in fields]  # others (use_sim_time) are rclpy's own
        for parameter in mine:
            why = self._refuse(fields[parameter.name], parameter.value)
            if why:
                return SetParametersResult(successful=False, reason=why)
        if why := self._refuse_together(mine):
            return SetParametersResult(successful=False, reason=why)
        for parameter in mine:
            self._wrong.pop(parameter.name, None)
        return SetParametersResult(successful=True)

    def _refuse(self, field: dataclasses.Field, value: Any) -> str:
        rules = field.metadata
        if self._accept is not None and rules.get("fixed"):
            return f"parameter '{field.name}' takes effect at configure: clean up the node first, then set it"
        if isinstance(field.default, tuple):
            right = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
            if right and rules.get("topic"):
                right = all(self._is_topic(topic) for topic in value if topic)
            return "" if right else _not_allowed(field, value)
        right = type(value) is type(field.default)
        if right and "choices" in rules:
            right = value in rules["choices"]
        if right and "minimum" in rules:
            right = rules["minimum"] <= value <= rules["maximum"]
        if right and rules.get("topic"):
            right = self._is_topic(value)
        return "" if right else _not_allowed(field, value)

    def _is_topic(self, name: str) -> bool:
        try:
            return bool(self._node.resolve_topic_name(name))
        except RuntimeError:  # rclpy's RCLError; what is wrong may show only in the resolved name, as its length does
            return False

    def _refuse_together(self, changed: list[Parameter]) -> str:
        """Why what is configured cannot take these changes; empty if it can."""
        if self._accept is None:
            return ""
        changes = {p.name: tuple(p.value) if isinstance(p.value, list | tuple) else p.value for p in changed}
        try:
            self._accept(dataclasses.replace(self.read(), **changes))
        except ValueError as error:
            return str(error)
        return ""


def _whole_numbers(parameters: list[Parameter]) -> list[Parameter]:
    """Makes floats of integers where a float is expected: people write `max_rate 5`."""
    floats = {field.name for field in dataclasses.fields(Parameters) if isinstance(field.default, float)}
    whole = Parameter.Type.INTEGER
    return [Parameter(p.name, value=float(p.value)) if p.name in floats and p.type_ == whole else p for p in parameters]


def _with_nearest(unknown: list[str]) -> str:
    known = [field.name for field in dataclasses.fields(Parameters)]
    near = {name: difflib.get_close_matches(name, known, 1) for name in unknown}
    names = sorted(unknown, key=lambda name: not near[name])  # those that are most likely meant for this node first
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(f"{n!r} (did you mean {near[n][0]!r}?)" if near[n] else repr(n) for n in names[:_NAMED]) + more


def _not_allowed(field: dataclasses.Field, value: Any) -> str:
    return f"parameter '{field.name}': got {value!r}, allowed: {_allowed(field)}"


def _allowed(field: dataclasses.Field) -> str:
    rules = field.metadata
    if "choices" in rules:
        return "one of " + ", ".join(repr(c) for c in rules["choices"])
    if "topic" in rules:
        which = "a list of topic names" if isinstance(field.default, tuple) else "a topic name"
        return f"{which}: letters, digits, _ and single /, resolved at most 247 characters"
    if isinstance(field.default, tuple):
        return "a list of class names"
    kind = type(field.default).__name__
    if "minimum" not in rules:
        return kind
    return f"{kind} {rules['minimum']} to {rules['maximum']}"


def _descriptor(field: dataclasses.Field) -> ParameterDescriptor:
    rules = field.metadata
    descriptor = ParameterDescriptor(description=rules["description"])
    if "choices" in rules:
        descriptor.additional_constraints = _allowed(field)
    if isinstance(field.default, tuple):
        descriptor.dynamic_typing = True  # [] is a list of no strings, but also of no numbers: its type may be any
    if "minimum" in rules:
        low, high = rules["minimum"], rules["maximum"]
        if isinstance(field.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return descriptor
