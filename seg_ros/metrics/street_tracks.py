"""Compares trackers on the street: ours, and those of the package `trackers`, on the same found objects."""

from __future__ import annotations

import functools
import importlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from seg_ros.metrics.tracks import Named, Overlap, track_scores
from seg_ros.results import Frame, Instances
from seg_ros.scenes.street import Street
from seg_ros.tracking import Tracker

OTHERS = {
    "sort": "SORTTracker",
    "bytetrack": "ByteTrackTracker",
    "ocsort": "OCSORTTracker",
    "botsort": "BoTSORTTracker",
    "cbiou": "CBIoUTracker",
}
"""Classes of the package `trackers` that are compared where it is installed, with their own defaults."""


class Moment(NamedTuple):
    """One frame of a sequence: its stamp (s), the objects found, how they overlap the true ones; every second pixel."""

    stamp: float
    objects: Instances
    overlap: Overlap
    picture: np.ndarray


Drive = list[Moment]
"""The frames of one street, in order."""
Follow = Callable[[Moment], Named]
"""Takes the next frame of a sequence."""


class Told(NamedTuple):
    """What a tracker said of a drive: the overlaps and its names, by frame, and the seconds that it took."""

    overlaps: list[Overlap]
    names: list[Named]
    seconds: float


def drive(seed: int, rate: float, frames: int, find: Callable[[Frame], Instances]) -> Drive:
    """Finds the objects in the first `frames` frames of the street of `seed`, at `rate` Hz."""
    street = Street(seed)
    moments = []
    for index in range(frames):
        scene = street.scene(index, rate)
        objects = find(Frame(scene.image))
        overlap = Overlap.of(scene.label, scene.instance, objects)
        moments.append(Moment(1.0 + index / rate, objects, overlap, scene.image[::2, ::2].copy()))
    return moments


def drives(seed: int, frames: int, find: Callable[[Frame], Instances]) -> dict[str, Drive]:
    """Drives down a street at 30 Hz, at 10 Hz, and at 30 Hz with every third frame dropped; by these names."""
    fast, slow = (drive(seed, rate, frames, find) for rate in (30.0, 10.0))
    dropped = [moment for k, moment in enumerate(fast) if k % 3 < 2]
    return {"30 Hz": fast, "10 Hz": slow, "30 Hz, every third dropped": dropped}


def compared(streets: Iterable[dict[str, Drive]]) -> dict[str, dict[str, Any]]:
    """Returns the figures of every tracker: over all drives, and below their names those of each kind.

    Figures are those of `metrics.tracks.track_scores`, and `ms_per_frame`, of the processor, of one thread.

    Args:
        streets: of each its drives, as `drives` makes them; only one is kept in memory.

    Raises:
        ModuleNotFoundError: TrackEval is not installed.
    """
    begin = trackers()
    told: dict[str, dict[str, list[Told]]] = {name: {} for name in begin}
    for street in streets:
        for kind, one in street.items():
            for name in begin:
                told[name].setdefault(kind, []).append(_told(begin[name], one))
    return {
        name: _figures([each for some in kinds.values() for each in some])
        | {kind: _figures(some) for kind, some in kinds.items()}
        for name, kinds in told.items()
    }


def trackers() -> dict[str, Callable[[], Follow]]:
    """Returns what begins a tracker, by name: `ours`, and the others where they are installed."""
    begin: dict[str, Callable[[], Follow]] = {"ours": _ours}
    try:
        package = importlib.import_module("trackers")
    except ModuleNotFoundError:
        return begin
    return begin | {name: functools.partial(_other, getattr(package, kind)) for name, kind in OTHERS.items()}


def _ours() -> Follow:
    tracker = Tracker(itertools.count(1))

    def follow(moment: Moment) -> Named:
        tracks = tracker.update(moment.stamp, moment.objects, moment.picture)
        return Named(tracks.track_id, tracks.class_id)

    return follow


def _other(kind: type) -> Follow:
    from supervision import Detections

    tracker = kind() if kind.__name__ != "BoTSORTTracker" else kind(enable_cmc=False)  # it gets no pictures

    def follow(moment: Moment) -> Named:
        objects = moment.objects
        places = np.arange(len(objects))  # they may come back in another order: the class is their place
        given = Detections(xyxy=objects.box.copy(), confidence=objects.score.copy(), class_id=places)
        told = tracker.update(given, timestamp=moment.stamp)
        ids = np.zeros(len(objects), np.int64)
        if len(told):
            ids[told.class_id] = np.asarray(told.tracker_id) + 1  # -1 is none
        return Named(ids, objects.class_id)

    return follow


def _told(begin: Callable[[], Follow], one: Drive) -> Told:
    follow = begin()
    start = time.thread_time()
    names = [follow(moment) for moment in one]
    return Told([moment.overlap for moment in one], names, time.thread_time() - start)


def _figures(told: list[Told]) -> dict[str, float]:
    scores = track_scores([(each.overlaps, each.names) for each in told])
    frames, seconds = sum(len(each.names) for each in told), sum(each.seconds for each in told)
    return {**scores, "ms_per_frame": round(1e3 * seconds / frames, 2)}


def table(figures: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Writes the lines of a table of what `compared` returns."""
    columns = ("hota", "smotsa", "idf1", "id_switches", "ms_per_frame")
    yield f"{'':28s}" + "".join(f"{name:>14s}" for name in ("tracker", *columns))
    kinds = [kind for kind, value in figures["ours"].items() if isinstance(value, dict)]
    for kind in ("all", *kinds):
        for tracker, values in figures.items():
            row = values if kind == "all" else values[kind]
            cells = (f"{row[c]:14d}" if isinstance(row[c], int) else f"{row[c]:14.4g}" for c in columns)
            yield f"{kind:28s}{tracker:>14s}" + "".join(cells)
