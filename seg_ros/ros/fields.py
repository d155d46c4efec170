"""What the parameter classes of all nodes share: a field with its description, and the error of a value."""

from __future__ import annotations

import dataclasses
from typing import Any


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
