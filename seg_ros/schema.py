"""Checks of JSON from outside, to be put together to a schema: each says of one value what it must be.

A check takes where the value stands, such as `classes.colors[2]`, and the value. It raises a ValueError that begins
with that place and says what was expected and what came.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

Check = Callable[[str, Any], None]


def parse(text: str | bytes) -> Any:
    """Reads JSON.

    Raises:
        ValueError: if the text is no JSON, or is nested deeper than Python reads.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("expected JSON of a few levels, got one that is nested too deep to read") from error


def refuse(where: str, expected: str, got: Any) -> None:
    """Raises the ValueError of a value that is not what was expected; a long value is cut.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{where}: expected {expected}, got {reprlib.repr(got)}")


def flag(where: str, value: Any) -> None:
    """Checks for true or false."""
    if not isinstance(value, bool):
        refuse(where, "true or false", value)


def whole(least: int, most: int) -> Check:
    """Returns a check for a whole number in `least..most`; true and false are none."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            refuse(where, f"a whole number in {least}..{most}", value)

    return check


def number(least: float, most: float) -> Check:
    """Returns a check for a finite number in `least..most`, whole or not; true and false are none."""

    def check(where: str, value: Any) -> None:
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not least <= value <= most:  # NaN is in no range
            refuse(where, f"a number in {least:g}..{most:g}", value)

    return check


def text(longest: int) -> Check:
    """Returns a check for a text of at most `longest` characters, all of which can be printed."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            refuse(where, f"a text of at most {longest} printable characters", value)

    return check


def one_of(choices: Collection[str]) -> Check:
    """Returns a check for one of the texts in `choices`, which are looked up when a value comes."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            refuse(where, f"one of {', '.join(sorted(choices))}", value)

    return check


def any_of(expected: str, *checks: Check) -> Check:
    """Returns a check for what one of `checks` takes; `expected` says in words what these are."""

    def check(where: str, value: Any) -> None:
        for each in checks:
            try:
                return each(where, value)
            except ValueError:
                continue
        return refuse(where, expected, value)

    return check


def array(each: Check, least: int, most: int) -> Check:
    """Returns a check for a list or tuple of `least..most` values, all of which `each` takes."""
    length = f"{least}" if least == most else f"{least}..{most}"

    def check(where: str, value: Any) -> None:
        if not isinstance(value, list | tuple):
            refuse(where, f"a list of {length} values", value)
        if not least <= len(value) <= most:
            raise ValueError(f"{where}: expected {length} values, got {len(value)}: {reprlib.repr(value)}")
        for index, item in enumerate(value):
            each(f"{where}[{index}]", item)

    return check


def table(each: Check, most: int, longest: int = 100) -> Check:
    """Returns a check for an object of at most `most` values under names of the author's choice."""
    name = text(longest)

    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict) or len(value) > most:
            refuse(where, f"an object of at most {most} names and values", value)
        for key, item in value.items():
            name(f"a name in {where}", key)
            each(f"{where}.{key}", item)

    return check


def record(fields: Mapping[str, Check], optional: Collection[str] = ()) -> Check:
    """Returns a check for an object with `fields` and nothing else; those in `optional` may be absent."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict):
            refuse(where, f"an object of {', '.join(fields)}", value)
        for name in fields.keys() - value.keys() - set(optional):
            raise ValueError(f"{where}: {name!r} is missing; expected {', '.join(fields)}")
        for name in value.keys() - fields.keys():
            raise ValueError(f"{where}: {reprlib.repr(name)} is unknown; expected {', '.join(fields)}")
        for name, item in value.items():
            fields[name](f"{where}.{name}", item)

    return check
