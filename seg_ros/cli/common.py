"""What the command lines share."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from seg_ros.errors import EngineError, WeightsError


def one_line_errors(main: Callable) -> Callable:
    """Ends with one line, not a traceback, on what the user can put right: files, values, weights, engines."""

    @functools.wraps(main)
    def wrapper(arguments: list[str] | None = None) -> None:
        try:
            main(arguments)
        except (FileNotFoundError, ValueError, WeightsError, EngineError) as error:
            sys.exit(f"{Path(main.__code__.co_filename).stem}: {error}")

    return wrapper


def argument(text: str) -> tuple[str, int | float | bool]:
    """`"width=16"` as `("width", 16)`; the value is JSON.

    Raises:
        ValueError: if the value is no JSON.
    """
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        raise ValueError(f"expected NAME=VALUE with a number, true or false, got {text!r}") from None
