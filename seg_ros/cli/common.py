"""What the command lines share."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from seg_ros.errors import EngineError, WeightsError
from seg_ros.models import MODELS


def one_line_errors(main: Callable) -> Callable:
    """Ends with one line, not a traceback, on what the user can put right: files, values, weights, engines."""

    @functools.wraps(main)
    def wrapper(arguments: list[str] | None = None) -> None:
        try:
            main(arguments)
        except (FileNotFoundError, ValueError, WeightsError, EngineError) as error:
            message = str(error)
            if message.startswith("Caught "):  # by a process that reads pictures: its traceback, and last the error
                message = message.rstrip().splitlines()[-1].partition(": ")[2]
            sys.exit(f"{Path(main.__code__.co_filename).stem}: {message}")

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


def build(architecture: str, arguments: dict) -> nn.Module:
    """An untrained network.

    Raises:
        ValueError: if it refuses its arguments.
    """
    try:
        return MODELS[architecture](**arguments)
    except TypeError as error:
        raise ValueError(f"{architecture} refuses the arguments {arguments}: {error}") from error
