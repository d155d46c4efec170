"""Spreads jobs over workers: one at a time for each; a job whose worker dies is done once more, by another."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from seg_ros.errors import EngineError, RecordingError
from seg_ros.offline.progress import Progress
from seg_ros.offline.station import Died, Said, Unfit
from seg_ros.offline.work import Job, Outcome, Work

TRIES = 3
"""Workers that a job may cost before it is set aside."""
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

    def hear(self) -> list[tuple[int, Said]]:
        """Waits until workers say something; returns it by their places. Who died or is unfit is not there any more."""

    def end(self, place: int) -> None:
        """Ends the worker at a place, if there is one: it has nothing to do, and others may wait for its GPU."""

    def close(self) -> None:
        """Ends the workers, whatever they do."""


@dataclasses.dataclass
class _Task:
    job: Job
    tries: int = 0
    frames: int = 0


def alone(jobs: Iterable[Job], work: Work, progress: Progress) -> Iterator[Outcome]:
    """Yields the outcomes of all jobs, done in this process one after the other."""
    for job in jobs:
        progress.begin(job.input.path.name)
        yield work(job, progress.step)


def spread(jobs: Iterable[Job], crew: Crew, progress: Progress) -> Iterator[Outcome]:
    """Yields the outcomes of all jobs, in the order in which they are done. Nothing of the crew is left afterwards.

    Raises:
        EngineError: if a worker cannot open its engine.
        RecordingError: if job after job costs every worker that it is given to.
    """
    waiting = deque(_Task(job) for job in jobs)
    idle = list(range(crew.size))[::-1]
    tasks: dict[int, _Task] = {}
    in_a_row = 0
    try:
        while waiting or tasks:
            while idle and waiting:
                place, task = idle.pop(), waiting.popleft()
                task.tries += 1
                tasks[place] = task
                progress.begin(task.job.input.path.name)
                crew.give(place, task.job)
            for place, said in crew.hear():
                if isinstance(said, Unfit):
                    raise EngineError(f"a worker cannot begin: {said.reason}")
                task = tasks[place]
                if isinstance(said, int):
                    progress.step(said - task.frames)
                    task.frames = said
                    continue
                del tasks[place]
                idle.insert(0 if isinstance(said, Died) else len(idle), place)  # those that are there go first
                if isinstance(said, Died):
                    progress.step(-task.frames)
                    task.frames = 0
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
