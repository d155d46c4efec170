"""Spreads jobs over workers: one at a time for each; a job whose worker dies or hangs is done once more, by another."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from seg_ros.errors import EngineError, RecordingError
from seg_ros.offline.progress import Progress
from seg_ros.offline.station import Died, Said, Unfit
from seg_ros.offline.work import Job, Outcome, Work

TRIES = 3
"""Workers that a job may cost before it is set aside."""
PATIENCE = 600.0
"""Seconds that a worker may take for a frame of a job; one more for each `_SLOWEST` bytes of the input."""
_SLOWEST = 20e6
"""Bytes a second that any storage gives: before the first frame and after the last one a whole input is read."""
_LISTEN = 1.0
"""Seconds until those who say nothing are looked at."""
_IN_A_ROW = 20
"""Jobs that are set aside one after another until it is taken for no fault of theirs: a full disk, say."""


class Crew(Protocol):
    """Workers, by their place, `0..size - 1`.

    Attributes:
        size: number of workers.
    """

    size: int

    def give(self, place: int, job: Job) -> None:
        """Gives a job to the worker at a place that has none, which is started if it is not there."""

    def hear(self, seconds: float) -> list[tuple[int, Said]]:
        """Waits so long until workers say something; returns it by their places.

        Who died or is unfit is not there any more.
        """

    def end(self, place: int) -> None:
        """Ends the worker at a place, if there is one, whatever it does."""

    def close(self) -> None:
        """Ends the workers, whatever they do."""


@dataclasses.dataclass
class _Task:
    job: Job
    tries: int = 0
    frames: int = 0
    moved: float | None = None
    """When it was begun or had its latest frame, as far as was heard; not what it waits for an engine, or a machine."""

    def still(self) -> float:
        """Returns for how many seconds it had no frame."""
        return 0.0 if self.moved is None else time.monotonic() - self.moved


def alone(jobs: Iterable[Job], work: Work, progress: Progress) -> Iterator[Outcome]:
    """Yields the outcomes of all jobs, done in this process one after the other."""
    for job in jobs:
        progress.begin(job.input.path.name)
        yield work(job, progress.step)


def spread(
    jobs: Iterable[Job], crew: Crew, progress: Progress, patience: float = PATIENCE, first: Iterable[Job] = ()
) -> Iterator[Outcome]:
    """Yields the outcomes of all jobs, in the order in which they are done. Nothing of the crew is left afterwards.

    Args:
        patience: as `PATIENCE`; who takes longer hangs, and is ended.
        first: jobs that are done, or set aside, before the others begin.

    Raises:
        EngineError: if a worker cannot open its engine.
        RecordingError: if job after job costs every worker that it is given to.
    """
    waiting, later = (deque(_Task(job) for job in some) for some in (first, jobs))
    idle = list(range(crew.size))[::-1]
    tasks: dict[int, _Task] = {}
    in_a_row = 0
    try:
        while waiting or tasks or later:
            if not waiting and not tasks:
                waiting, later = later, deque()
            while idle and waiting:
                place, task = idle.pop(), waiting.popleft()
                task.tries += 1
                tasks[place] = task
                progress.begin(task.job.input.path.name)
                crew.give(place, task.job)
            for place, said in itertools.chain(crew.hear(_LISTEN), _hung(tasks, crew, patience)):
                if isinstance(said, Unfit):
                    raise EngineError(f"a worker cannot begin: {said.reason}")
                task = tasks[place]
                if isinstance(said, int):
                    progress.step(said - task.frames)
                    if task.moved is None or said != task.frames:
                        task.moved = time.monotonic()
                    task.frames = said
                    continue
                del tasks[place]
                idle.insert(0 if isinstance(said, Died) else len(idle), place)  # those that are there go first
                if isinstance(said, Died):
                    progress.step(-task.frames)
                    task.frames, task.moved = 0, None
                    if task.tries < TRIES:
                        progress.say(f"label: {task.job.input.path}: once more, for its worker died: {said.reason}")
                        waiting.append(task)
                        continue
                    in_a_row += 1
                    said = Outcome(
                        task.job, error=f"{task.job.input.path}: set aside, {TRIES} workers died of it: {said.reason}"
                    )
                else:
                    in_a_row = 0
                    progress.step(said.tally.frames - task.frames if said.tally and not said.resumed else -task.frames)
                if not waiting:
                    crew.end(place)
                yield said
                if in_a_row == _IN_A_ROW:
                    raise RecordingError(
                        f"{_IN_A_ROW} inputs in a row cost every worker that they were given to; see the last reason "
                        "(is there room on the disk, and memory?), and give the same command again"
                    )
    finally:
        crew.close()


def _hung(tasks: dict[int, _Task], crew: Crew, patience: float) -> Iterator[tuple[int, Died]]:
    """Ends the workers that take too long."""
    for place, task in list(tasks.items()):
        if task.still() > patience and task.still() > patience + task.job.input.size() / _SLOWEST:
            crew.end(place)
            yield place, Died(f"no frame for {task.still():.0f} s; it was ended")
