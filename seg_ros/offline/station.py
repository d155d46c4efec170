"""What a worker of a crew says, in whatever process it runs, and the thread that it works on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

from seg_ros.errors import EngineError
from seg_ros.offline.work import Job, Outcome, Work

_EVERY = 1.0
"""Seconds between two messages of a job."""
OPENING = 3600.0
"""Seconds that an engine may take to open: TensorRT builds large ones for half an hour on small machines."""


class Died(NamedTuple):
    """The worker ended, or has to end, with its job unfinished. Another worker may do better."""

    reason: str


class Unfit(NamedTuple):
    """The worker cannot open its engine."""

    reason: str


Said = int | Outcome | Died | Unfit
"""Frames of the job so far; or the last that is said of it."""


class Station:
    """Does jobs on a thread of its own, which opens the engine before the first, and tells how far they are.

    Args:
        opening: makes the work.
    """

    def __init__(self, opening: Callable[[], Work]) -> None:
        self._opening = opening
        self._work: Work | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="work")

    def run(self, job: Job) -> Iterator[Said]:
        """Yields the frames of the job so far, at once and once a second; at last its outcome, or why there is none."""
        frames = 0

        def step() -> None:
            nonlocal frames
            frames += 1

        try:
            if self._work is None:
                opened = self._thread.submit(self._opening)
                if not wait([opened], OPENING).done:
                    raise EngineError(f"its engine did not open within {OPENING:.0f} s")
                self._work = opened.result()
        except Exception as error:
            yield Unfit(_described(error))
            return
        yield 0  # who hears it counts the time from here on, also if the job stops the process at once
        outcome = self._thread.submit(self._work, job, step)
        while not wait([outcome], _EVERY).done:
            yield frames
        error = outcome.exception()
        yield outcome.result() if error is None else Died(_described(error))


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error} ({socket.gethostname()}, process {os.getpid()})"
