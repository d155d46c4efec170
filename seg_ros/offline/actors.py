"""Workers as actors of a Ray cluster: one for each GPU, or on the CPU. Paths travel, pixels do not."""

from __future__ import annotations

import contextlib
import logging
import sys
import textwrap
from collections.abc import Callable, Iterator

from seg_ros.errors import RecordingError
from seg_ros.offline.station import Died, Said, Station, Unfit
from seg_ros.offline.work import Job, Work

try:
    import ray
    from ray.exceptions import RayError
except ImportError as error:
    raise RecordingError(f"--ray needs Ray: {error}; pip install -r requirements/ray.txt") from error

_CORES = 8
"""Of a cluster without GPUs, for which it gets a worker; below twice as many there is one."""
_LONGEST = 300
"""Characters of what Ray says of an actor that died: its advice comes after them."""


class Actors:
    """A crew of Ray actors. An actor that dies is not restarted by Ray: its job comes back, and a new one is made.

    Args:
        address: of the cluster, or `auto`.
        size: number of workers; 0: one for each GPU that the cluster has now, or for each 8 cores of it.
        most: that there is work for.
        opening: makes a worker's work with that many threads. It is pickled.
        device: `cuda` asks the cluster for GPUs even if it has none yet; `cpu` for none.

    Raises:
        RecordingError: if there is no such cluster.
    """

    def __init__(self, address: str, size: int, most: int, opening: Callable[[int], Work], device: str) -> None:
        if "://" in address:  # of Ray's client, which does not stream
            raise RecordingError(f"--ray {address}: expected HOST:PORT of the cluster's head, or auto on its machines")
        # Ray tells of workers that die on stdout, where there is to be nothing but figures.
        self._stdout = contextlib.ExitStack()
        self._stdout.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, ValueError, RuntimeError) as error:
            self._stdout.close()
            raise RecordingError(f"--ray {address}: there is no such cluster: {error}") from error
        there = ray.cluster_resources()
        cores, gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
        on_gpu = device == "cuda" or (device == "auto" and gpus > 0)
        self.size = min(size or (gpus if on_gpu else cores // _CORES) or 1, most)
        threads = max(1, min(_CORES, cores // self.size))
        self._opening, self._threads = opening, threads
        self._kind = ray.remote(num_cpus=threads, num_gpus=int(on_gpu), max_restarts=0)(_Actor)
        self._actors: dict[int, ray.actor.ActorHandle] = {}
        self._said: dict[int, ray.ObjectRefGenerator] = {}

    def give(self, place: int, job: Job) -> None:
        """See `Crew`."""
        if place not in self._actors:
            self._actors[place] = self._kind.remote(self._opening, self._threads)
        self._said[place] = self._actors[place].run.options(num_returns="streaming").remote(job)

    def hear(self, seconds: float) -> list[tuple[int, Said]]:
        """See `Crew`."""
        places = {said: place for place, said in self._said.items()}
        ready, _ = ray.wait(list(places), num_returns=1, timeout=seconds)
        return [(places[said], self._next(places[said])) for said in ready]

    def end(self, place: int) -> None:
        """See `Crew`."""
        self._said.pop(place, None)
        if place in self._actors:
            ray.kill(self._actors.pop(place))

    def close(self) -> None:
        """See `Crew`."""
        ray.shutdown()  # ends the actors, too
        self._stdout.close()

    def _next(self, place: int) -> Said:
        try:
            said = ray.get(next(self._said[place]))
        except RayError as error:
            said = Died(textwrap.shorten(str(error), _LONGEST))
        if isinstance(said, Died | Unfit):
            self.end(place)
        elif not isinstance(said, int):
            del self._said[place]
        return said


class _Actor:
    """A station in a process of the cluster."""

    def __init__(self, opening: Callable[[int], Work], threads: int) -> None:
        from seg_ros import runtime

        runtime.prepare()
        self._station = Station(lambda: opening(threads))

    def run(self, job: Job) -> Iterator[Said]:
        yield from self._station.run(job)
