"""Checks the arguments of networks, which come from weights files and command lines, before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from seg_ros import schema

CLASSES = 255
"""Most classes that a network can have: label images have 8 bits, and 255 is unlabelled."""
_CHECKS = {"bool": schema.flag, "int": schema.whole(0, 10**6), "float": schema.number(0, 1e6)}
"""By the type that a builder declares."""


def check_types(builder: Callable, arguments: dict[str, object]) -> None:
    """Checks that each of `arguments` is of the type that `builder` declares for it: bool, int or float.

    Raises:
        ValueError: if one is not; the message begins with its name.
    """
    for name, parameter in inspect.signature(builder).parameters.items():
        kind = getattr(parameter.annotation, "__name__", parameter.annotation)
        if name in arguments and kind in _CHECKS:
            _CHECKS[kind](name, arguments[name])


def within(least: float, most: float, **numbers: float) -> None:
    """Checks that all `numbers`, given by their names, lie in `least..most`.

    Raises:
        ValueError: if one does not.
    """
    for name, number in numbers.items():
        if not least <= number <= most:
            raise ValueError(f"{name} must be in {least:g}..{most:g}, got {number}")
