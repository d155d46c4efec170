"""Chooses among engines and precisions by measuring them, and remembers the choice in the cache.

A choice belongs to the candidates that were at hand and to the key of each: machine, versions, weights and graph. So
nothing is measured twice, and all is measured anew when any of it changes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import logging
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from seg_ros.engines import trust
from seg_ros.errors import EngineError

log = logging.getLogger(__name__)

_ROUNDS = 5
_SECONDS = 0.1
"""Of the processor, on each thread, that a candidate runs for in a round; slower ones run once."""
_HOPELESS = 2.0
"""Times the fastest, by the clock and by the processor's time: what takes longer is measured in no further round."""
_TIE = 1.05
"""Within this factor of the fastest is as fast: what a machine does besides must not decide."""
_BUSY = 0.1
"""Processor time of others, as a share of ours, from which the machine counts as busy."""
_LARGEST = 2**16
"""Bytes of a file that is read as a choice."""

Run = Callable[[], object]
"""Runs an engine once, on pixels that it has."""


class Clock:
    """Reads seconds since some moment: of the clock, and of the processor that this process and all of them have used.

    All are those on the cores that this process may use; only this one where nothing tells of others.
    """

    wall = staticmethod(time.perf_counter)
    own = staticmethod(time.process_time)

    def all(self) -> float:
        cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
        try:
            lines = [line.split() for line in Path("/proc/stat").read_text().splitlines()]
        except OSError:
            return self.own()
        ticks = 0
        for user, nice, system, _, _, irq, softirq, steal in (map(int, x[1:9]) for x in lines if x[0] in cores):
            ticks += user + nice + system + irq + softirq + steal
        return ticks / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was measured, and so what is taken.

    Attributes:
        measured: milliseconds of one run by candidate, the preferred ones first.
        refused: why the other candidates do not work here.
        busy: whether others used the processor, so that `measured` is the processor's time, shared by the threads.
    """

    measured: dict[str, float]
    refused: dict[str, str]
    busy: bool

    @property
    def ranking(self) -> list[str]:
        """Returns what was measured, the fastest first; but before it what is preferred and as fast."""
        fastest = sorted(self.measured, key=self.measured.get)
        taken = next(name for name in self.measured if self.measured[name] <= _TIE * self.measured[fastest[0]])
        return [taken, *(name for name in fastest if name != taken)]

    def __str__(self) -> str:
        table = ", ".join(f"{name} {milliseconds:.1f} ms" for name, milliseconds in self.measured.items())
        return f"{table}{' of the processor, for the machine is busy' if self.busy else ''}"


def choose(candidates: Mapping[str, Callable[[], Run]], threads: int, clock: Clock | None = None) -> Choice:
    """Opens the candidates, the preferred ones first, and times those that open: of their rounds' medians the best.

    They take turns, so that what else the machine does hits all of them, and a busy round costs none its place. Where
    others use the processor all the time, as when a robot starts, the clock says more about them than about the
    candidates: what counts then is the processor's time of a run. The first round sorts out what is far behind.

    Args:
        candidates: what opens each, and warms it up; an EngineError says why it does not.
        threads: of each.

    Raises:
        EngineError: if an error concerns all of them.
    """
    runs, refused = {}, {}
    for name, opened in candidates.items():
        try:
            runs[name] = opened()
        except EngineError as error:
            refuse(refused, name, error)
    clock = clock or Clock()
    walls, owns = ({name: math.inf for name in runs} for _ in range(2))
    all_before, own_before = clock.all(), clock.own()
    for _ in range(_ROUNDS):
        hopeless = {name for name in runs if all(of[name] > _HOPELESS * min(of.values()) for of in (walls, owns))}
        for name in (name for name in runs if name not in hopeless):
            times = [(clock.wall(), clock.own())]
            while len(times) == 1 or times[-1][1] < times[0][1] + _SECONDS * threads:
                runs[name]()
                times.append((clock.wall(), clock.own()))
            wall, own = ([after - before for before, after in itertools.pairwise(c)] for c in zip(*times, strict=True))
            walls[name] = min(walls[name], statistics.median(wall))
            owns[name] = min(owns[name], statistics.median(own))
    used = clock.own() - own_before
    busy = clock.all() - all_before > (1 + _BUSY) * used
    seconds = {name: own / threads for name, own in owns.items()} if busy else walls
    return Choice({name: 1e3 * value for name, value in seconds.items()}, refused, busy)


def refuse(refused: dict[str, str], name: str, error: EngineError) -> None:
    """Notes why an engine is not used; raises what no other engine would do better."""
    if error.fatal or error.reason == "not_finite":
        raise error
    refused[name] = str(error)
    log.info("engine %s is not used: %s", name, error)


class Memory:
    """Remembers the choice that belongs to a key, as a file of the cache.

    Args:
        directory: of the cache.
        candidates: by name, the preferred ones first, the key of each: everything that its time depends on.
    """

    def __init__(self, directory: Path, candidates: dict[str, str]) -> None:
        self._candidates = list(candidates)
        self._key = json.dumps(candidates)
        self._path = directory / f"{hashlib.sha256(self._key.encode()).hexdigest()[:32]}.choice"

    def recall(self) -> Choice | None:
        """Returns the choice; None where there is none, or one that others could have written or that is damaged."""
        try:
            if trust.open_to_others(self._path) or self._path.stat().st_size > _LARGEST:
                raise ValueError("it is too large, or belongs to or is writable by others")
            choice = _parsed(json.loads(self._path.read_text()), self._key, self._candidates)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("the choice of an engine in %s is not used: %s; it is made anew", self._path, error)
            return None
        with contextlib.suppress(OSError):  # for the eviction of what was used longest ago
            os.utime(self._path)
        return choice

    def keep(self, choice: Choice) -> None:
        """Writes the choice, whole or not at all. In a cache that cannot be written it is made anew each time."""
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".choice-") as new:
                file = Path(new) / self._path.name
                file.write_text(json.dumps({"key": self._key, **dataclasses.asdict(choice)}))
                file.chmod(0o600)
                file.replace(self._path)
        except OSError as error:
            log.warning("the choice of an engine is not remembered in %s: %s", folder, error)


def _parsed(found: object, key: str, candidates: list[str]) -> Choice:
    """Returns the choice that a file holds; raises ValueError unless it is one for this key and these candidates."""
    if not isinstance(found, dict) or found.get("key") != key:
        raise ValueError("expected a choice for this machine, network and versions, got another or none")
    measured, refused, busy = found.get("measured"), found.get("refused"), found.get("busy")
    if not isinstance(measured, dict) or not isinstance(refused, dict) or not isinstance(busy, bool) or not measured:
        raise ValueError("expected what was measured and how, and what was refused, got something else")
    if sorted([*measured, *refused]) != sorted(candidates):
        raise ValueError(f"expected the candidates {', '.join(candidates)}, got {', '.join([*measured, *refused])}")
    numbers = all(type(value) in (int, float) and 0 < value < math.inf for value in measured.values())
    if not numbers or not all(isinstance(why, str) for why in refused.values()):
        raise ValueError("expected milliseconds above 0, and reasons as text")
    return Choice({name: measured[name] for name in candidates if name in measured}, refused, busy)
