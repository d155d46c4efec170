"""Says how far labelling is: one bar for all, lines of JSON, or nothing. All goes to stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from tqdm import tqdm

_EVERY = 1.0
"""Seconds between lines of JSON."""


class Progress(Protocol):
    """Takes what happens: how many frames there are, the file that is begun, frames that are done, and news."""

    def expect(self, frames: int) -> None: ...

    def begin(self, name: str) -> None: ...

    def step(self, frames: int = 1) -> None: ...

    def say(self, text: str) -> None: ...


class Bar:
    """Draws a bar with frames, frames a second, the time that is left, and the file; none if `quiet`."""

    def __init__(self, quiet: bool) -> None:
        self._bar = tqdm(total=0, unit=" frames", disable=quiet or not sys.stderr.isatty(), file=sys.stderr)

    def expect(self, frames: int) -> None:
        self._bar.total += frames

    def begin(self, name: str) -> None:
        self._bar.set_description(name)

    def step(self, frames: int = 1) -> None:
        self._bar.update(frames)

    def say(self, text: str) -> None:
        legible = text.encode("utf-8", "backslashreplace").decode()  # names of files need not be
        self._bar.write(legible, file=sys.stderr)


class Lines:
    """Writes a line of JSON a second, and one for each thing that is said.

    Args:
        write: takes a line.
        now: tells the time, in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], Any] = lambda line: print(line, file=sys.stderr, flush=True),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._now = write, now
        self._start = self._last = now()
        self._frames, self._done, self._name = 0, 0, ""

    def expect(self, frames: int) -> None:
        self._frames += frames

    def begin(self, name: str) -> None:
        self._name = name
        self._line()

    def step(self, frames: int = 1) -> None:
        self._done += frames
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


@contextlib.contextmanager
def expecting(counts: Iterable[int], progress: Progress) -> Iterator[None]:
    """Adds up how many frames there are on a thread beside: of a million recordings that alone takes hours."""
    over = threading.Event()

    def add() -> None:
        for frames in counts:
            if over.is_set():
                return
            progress.expect(frames)

    thread = threading.Thread(target=add, name="expecting")
    thread.start()
    thread.join(_EVERY)  # of few recordings it is known before the first is begun
    try:
        yield
    finally:
        over.set()
        thread.join()
