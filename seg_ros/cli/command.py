"""Makes functions the mains of commands. It needs no PyTorch, which a command imports once its process is set up."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

from seg_ros import runtime
from seg_ros.errors import EngineError, RecordingError, TrainingError, WeightsError


def command(main: Callable) -> Callable:
    """Sets the process up as the node's is, before `main` imports PyTorch; errors are those of `one_line_errors`."""
    guarded = one_line_errors(main)

    @functools.wraps(main)
    def wrapper(arguments: list[str] | None = None) -> None:
        runtime.prepare()
        guarded(arguments)

    return wrapper


def one_line_errors(main: Callable) -> Callable:
    """Makes a command end with one line, not a traceback, for errors that the user can correct."""

    @functools.wraps(main)
    def wrapper(arguments: list[str] | None = None) -> None:
        try:
            main(arguments)
        except (OSError, ValueError, WeightsError, EngineError, TrainingError, RecordingError) as error:
            message = str(error)
            if message.startswith("Caught "):  # by a process that reads pictures: its traceback, and last the error
                message = message.rstrip().splitlines()[-1].partition(": ")[2]
            sys.exit(f"{Path(main.__code__.co_filename).stem}: {message}")
        except KeyboardInterrupt:
            sys.exit(130)  # a shell's status for Ctrl-C

    return wrapper
