"""Declares the parameters on a node, and refuses wrong values with what is allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from seg_ros.ros.fields import at_configure, warn_of_unknown
from seg_ros.ros.parameters import MaskSet, Parameters

_MASK = "masks."
"""What a mask's parameter begins with; the rest is the mask's name."""


class ParameterServer:
    """Declares the fields of `Parameters` on a node and keeps them valid.

    A wrong value that the node is started with does not stop the node: the parameter takes its default, and
    `read` raises until a right value is set. Which masks there are is what the node is started with.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._wrong: dict[str, str] = {}
        self._accept: Callable[[Parameters], object] | None = None
        node.add_pre_set_parameters_callback(_whole_numbers)
        node.add_on_set_parameters_callback(self._check_all)
        overrides = node._parameter_overrides  # rclpy has no public way to ask for them
        overrides.update({p.name: p for p in _whole_numbers(list(overrides.values()))})
        self._wrong |= _wrong_masks(overrides)
        self._fields = _fields([name for name in overrides if name not in self._wrong])
        for name, field in self._fields.items():
            descriptor, is_list = _descriptor(field), isinstance(field.default, tuple)
            default = list(field.default) if is_list else field.default
            try:
                node.declare_parameter(name, default, descriptor)
            except (InvalidParameterValueException, InvalidParameterTypeException):
                node.declare_parameter(name, default, descriptor, ignore_override=True)
                override = overrides[name].value
                if override is None and is_list:  # what becomes of [] in a parameters file
                    continue
                self._wrong[name] = (
                    f"{_not_allowed(name, field, override)}; set it with ros2 param set, then configure again"
                )
        warn_of_unknown(node, Parameters, besides=tuple(self._wrong))

    def read(self) -> Parameters:
        """Returns the current values.

        Raises:
            ValueError: if the node was started with a wrong value; names parameter, value and what is allowed.
        """
        if self._wrong:
            raise ValueError("; ".join(self._wrong.values()))
        return self._with({})

    def lock(self, accept: Callable[[Parameters], object] = lambda _: None) -> None:
        """Refuses changes of fixed parameters until `unlock`, because the node is, or is being, configured with them.

        Args:
            accept: raises ValueError for live values that what is configured cannot take.
        """
        self._accept = accept

    def unlock(self) -> None:
        """Accepts changes of all parameters again."""
        self._accept = None

    def _with(self, changes: dict[str, Any]) -> Parameters:
        """The current values with these changes, by name of the parameter."""
        values = {name: self._node.get_parameter(name).value for name in self._fields} | changes
        values = {name: tuple(v) if isinstance(v, list | tuple) else v for name, v in values.items()}
        masks = {name: values.pop(name) for name in list(values) if name.startswith(_MASK)}
        return Parameters(masks=tuple(MaskSet(n.removeprefix(_MASK), v) for n, v in masks.items()), **values)

    def _check_all(self, parameters: list[Parameter]) -> SetParametersResult:
        fields = self._fields
        mine = [p for p in parameters if p.name in fields]  # others (use_sim_time) are rclpy's own
        for parameter in mine:
            why = self._refuse(parameter.name, fields[parameter.name], parameter.value)
            if why:
                return SetParametersResult(successful=False, reason=why)
        if why := self._refuse_together(mine):
            return SetParametersResult(successful=False, reason=why)
        for parameter in mine:
            self._wrong.pop(parameter.name, None)
        return SetParametersResult(successful=True)

    def _refuse(self, name: str, field: dataclasses.Field, value: Any) -> str:
        rules = field.metadata
        if self._accept is not None and rules.get("fixed"):
            return at_configure(name)
        if isinstance(field.default, tuple):
            right = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
            if right and rules.get("topic"):
                right = all(self._is_topic(topic) for topic in value if topic)
            return "" if right else _not_allowed(name, field, value)
        right = type(value) is type(field.default)
        if right and "choices" in rules:
            right = value in rules["choices"]
        if right and "minimum" in rules:
            right = rules["minimum"] <= value <= rules["maximum"]
        if right and rules.get("topic"):
            right = self._is_topic(value)
        return "" if right else _not_allowed(name, field, value)

    def _is_topic(self, name: str) -> bool:
        try:
            return bool(self._node.resolve_topic_name(name))
        except RuntimeError:  # rclpy's RCLError; what is wrong may show only in the resolved name, as its length does
            return False

    def _refuse_together(self, changed: list[Parameter]) -> str:
        """Why what is configured cannot take these changes; empty if it can."""
        if self._accept is None:
            return ""
        try:
            self._accept(self._with({p.name: p.value for p in changed}))
        except ValueError as error:
            return str(error)
        return ""


def _fields(given: list[str]) -> dict[str, dataclasses.Field]:
    """The field of each parameter, by the parameter's name.

    Args:
        given: names of parameters that the node is started with; of the masks there are no others.
    """
    fields = {field.name: field for field in dataclasses.fields(Parameters)}
    masks = fields.pop("masks")
    return fields | {name: masks for name in given if name.startswith(_MASK)}


def _wrong_masks(given: Iterable[str]) -> dict[str, str]:
    """What is wrong with the names of masks that the node is started with, by name of the parameter."""
    allowed = "masks.NAME, of ASCII letters, digits and _, with a list of class names; start the node again with that"
    masks = [name for name in given if name == "masks" or name.startswith(_MASK)]
    names = {name: name.removeprefix(_MASK) for name in masks}
    wrong = [n for n, mask in names.items() if n == "masks" or not (mask.isascii() and mask.isidentifier())]
    return {name: f"parameter {name!r}: got that name, allowed: {allowed}" for name in wrong}


def _whole_numbers(parameters: list[Parameter]) -> list[Parameter]:
    """Makes floats of integers where a float is expected: people write `max_rate 5`."""
    floats = {field.name for field in dataclasses.fields(Parameters) if isinstance(field.default, float)}
    whole = Parameter.Type.INTEGER
    return [Parameter(p.name, value=float(p.value)) if p.name in floats and p.type_ == whole else p for p in parameters]


def _not_allowed(name: str, field: dataclasses.Field, value: Any) -> str:
    return f"parameter '{name}': got {value!r}, allowed: {_allowed(field)}"


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
