"""What the parameters of all nodes share: a field with its description, and what is said of wrong and unknown ones."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any

_NAMED = 10
"""Most unknown parameters that are named."""


def parameter(default: Any, description: str, **rules: Any) -> Any:
    """Declares a field that is a parameter; `rules` are for whoever declares it to ROS."""
    return dataclasses.field(default=default, metadata={"description": description, **rules})


def check(parameters: Any, name: str, right: bool, allowed: str) -> None:
    """Checks a value of a set of parameters.

    Raises:
        ValueError: if it is not right: names parameter, value and what is allowed.
    """
    if not right:
        raise ValueError(f"parameter '{name}': got {getattr(parameters, name)!r}, allowed: {allowed}")


def at_configure(name: str) -> str:
    """Says why a parameter of a node that is configured is not changed."""
    return f"parameter '{name}' takes effect at configure: clean up the node first, then set it"


def warn_of_unknown(node: Any, kind: type, besides: tuple[str, ...] = ()) -> None:
    """Logs which parameters a node was started with and does not have, each with the nearest that it has.

    That is no error: a file for several nodes may have parameters of the others.

    Args:
        node: of rclpy, whose parameters are declared.
        kind: dataclass of its parameters.
        besides: what other names begin with that are no surprise.
    """
    besides = (*besides, "qos_overrides.")  # declared with the outputs
    overrides = node._parameter_overrides  # rclpy has no public way to ask for them
    unknown = [name for name in overrides if not node.has_parameter(name) and not name.startswith(besides)]
    if not unknown:
        return
    known = [field.name for field in dataclasses.fields(kind)]
    near = {name: difflib.get_close_matches(name, known, 1) for name in unknown}
    names = sorted(unknown, key=lambda name: not near[name])  # those that are most likely meant for this node first
    said = ", ".join(f"{n!r} (did you mean {near[n][0]!r}?)" if near[n] else repr(n) for n in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    node.get_logger().warning(f"the node has no such parameters, they are ignored: {said}{more}")
