"""Workers as processes of this machine: each its own engine, with its share of the processor, or a GPU of its own."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from seg_ros import runtime
from seg_ros.offline.station import Died, Said, Station, Unfit
from seg_ros.offline.work import Job, Work

MEMORY = 2**30
"""Bytes that a worker on the CPU may take."""
WORTH = 2**30
"""Bytes of recordings for which it is worth to open one more engine."""
CONTAINER = Path("/sys/fs/cgroup/memory.max")
"""What a container may have, in bytes."""


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def most(size: int) -> int:
    """Returns how many workers on the CPU are best for `size` bytes of recordings, 1 or more.

    Up to one a core: a network on several cores waits for the slowest of them, and workers do not wait for each other.
    """
    return max(1, min(cores(), _free() // MEMORY, size // WORTH))


def _free() -> int:
    """Returns the bytes of memory that are free, in a container no more than it may have."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024
    try:
        return min(free, int(CONTAINER.read_text()))
    except (OSError, ValueError):  # no container of cgroup v2, or "max": without a limit
        return free


def gpus() -> list[str]:
    """Returns the GPUs that PyTorch sees, as `CUDA_VISIBLE_DEVICES` names them."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",")[:count] if named else [str(i) for i in range(count)]


class Processes:
    """A crew of processes.

    Args:
        size: number of workers.
        opening: makes a worker's work with that many threads. It is pickled.
        on: GPUs that the workers share, as `gpus` names them; none: the CPU, whose cores they share.
    """

    def __init__(self, size: int, opening: Callable[[int], Work], on: list[str]) -> None:
        self.size = size
        self._opening = functools.partial(opening, max(1, cores() // size))
        self._gpus = on
        self._workers: dict[int, tuple[SpawnProcess, Connection]] = {}

    def give(self, place: int, job: Job) -> None:
        """See `Crew`."""
        if place not in self._workers:
            self._workers[place] = self._start(place)
        with contextlib.suppress(BrokenPipeError):  # it has died; heard next
            self._workers[place][1].send(job)

    def hear(self, seconds: float) -> list[tuple[int, Said]]:
        """See `Crew`."""
        places = {pipe: place for place, (_, pipe) in self._workers.items()}
        return [(places[pipe], self._said(places[pipe])) for pipe in wait(list(places), seconds)]

    def end(self, place: int) -> None:
        """See `Crew`."""
        if place not in self._workers:
            return
        process, pipe = self._workers.pop(place)
        process.kill()
        process.join()
        pipe.close()

    def close(self) -> None:
        """See `Crew`."""
        for place in list(self._workers):
            self.end(place)

    def _start(self, place: int) -> tuple[SpawnProcess, Connection]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        gpu = self._gpus[place % len(self._gpus)] if self._gpus else None
        process = context.Process(target=_serve, args=(self._opening, gpu, theirs), daemon=True)
        process.start()
        theirs.close()
        return process, ours

    def _said(self, place: int) -> Said:
        process, pipe = self._workers[place]
        try:
            said = pipe.recv()
        except (EOFError, ConnectionResetError):
            process.join()
            code = process.exitcode
            how = f"of {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
            said = Died(f"process {process.pid} ended {how}")
        if isinstance(said, Died | Unfit):
            self.end(place)
        return said


def _serve(opening: Callable[[], Work], gpu: str | None, pipe: Connection) -> None:
    """Does the jobs that come, until nobody is there to give them, or to hear of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches who started it, which ends it
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    runtime.prepare()
    station = Station(opening)
    with contextlib.suppress(EOFError, OSError):
        while True:
            for said in station.run(pipe.recv()):
                pipe.send(said)
    os._exit(0)  # the thread may be amid a recording that nobody waits for
