"""Says how far labelling is: one bar for all, lines of JSON, or nothing. All goes to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from tqdm import tqdm

_EVERY = 1.0
"""Seconds between lines of JSON."""


class Progress(Protocol):
    """Takes what happens: the file that is begun, a frame that is done, and what people should know."""

    def begin(self, name: str) -> None: ...

    def step(self) -> None: ...

    def say(self, text: str) -> None: ...


class Bar:
    """Draws a bar with frames, frames a second, the time that is left, and the file; none if `quiet`."""

    def __init__(self, frames: int, quiet: bool) -> None:
        self._bar = tqdm(total=frames, unit=" frames", disable=quiet or not sys.stderr.isatty(), file=sys.stderr)

    def begin(self, name: str) -> None:
        self._bar.set_description(name)

    def step(self) -> None:
        self._bar.update()

    def say(self, text: str) -> None:
        self._bar.write(text, file=sys.stderr)


class Lines:
    """Writes a line of JSON a second, and one for each thing that is said.

    Args:
        frames: that there are in all.
        write: takes a line.
        now: tells the time, in seconds.
    """

    def __init__(
        self,
        frames: int,
        write: Callable[[str], Any] = lambda line: print(line, file=sys.stderr, flush=True),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frames, self._write, self._now = frames, write, now
        self._start = self._last = now()
        self._done, self._name = 0, ""

    def begin(self, name: str) -> None:
        self._name = name
        self._line()

    def step(self) -> None:
        self._done += 1
        if self._now() - self._last >= _EVERY:
            self._line()

    def say(self, text: str) -> None:
        self._line(message=text)

    def _line(self, **more: str) -> None:
        self._last = now = self._now()
        seconds = now - self._start
        fps = self._done / seconds if seconds else 0.0
        left = (self._frames - self._done) / fps if fps else None
        values = {"file": self._name, "frames": self._done, "of": self._frames, "seconds": round(seconds, 1),
                  "fps": round(fps, 1), "eta": left if left is None else round(left, 1)}  # fmt: skip
        self._write(json.dumps(values | more))
