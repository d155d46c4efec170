"""Compares trackers on the street: ours, and those of the package `trackers`, on the same found objects."""

from __future__ import annotations

import functools
import importlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from seg_ros.metrics.tracks import Named, Overlap, track_scores
from seg_ros.results import Frame, Instances
from seg_ros.scenes.street import Street
from seg_ros.tracking import Tracker, camera_motion

OTHERS = {
    "sort": "SORTTracker",
    "bytetrack": "ByteTrackTracker",
    "ocsort": "OCSORTTracker",
    "botsort": "BoTSORTTracker",
    "cbiou": "CBIoUTracker",
}
"""Classes of the package `trackers` that are compared where it is installed, with their own defaults."""


class Moment(NamedTuple):
    """One frame of a sequence: its stamp (s), the objects found, how they overlap the true ones; small and grey."""

    stamp: float
    objects: Instances
    overlap: Overlap
    picture: np.ndarray


Drive = list[Moment]
"""The frames of one street, in order."""
Follow = Callable[[Moment], Named]
"""Takes the next frame of a sequence."""


def drive(seed: int, rate: float, frames: int, find: Callable[[Frame], Instances]) -> Drive:
    """Finds the objects in the first `frames` frames of the street of `seed`, at `rate` Hz."""
    street = Street(seed)
    moments = []
    for index in range(frames):
        scene = street.scene(index, rate)
        objects = find(Frame(scene.image))
        overlap = Overlap.of(scene.label, scene.instance, objects)
        moments.append(Moment(1.0 + index / rate, objects, overlap, camera_motion.small(scene.image)))
    return moments


def drives(
    seeds: range, frames: int, find: Callable[[Frame], Instances], progress: Callable = iter
) -> dict[str, list[Drive]]:
    """Makes sequences at 30 Hz, at 10 Hz, and at 30 Hz with every third frame dropped, by these names.

    Args:
        progress: wraps the seeds, to show how far it is.
    """
    fast, slow = [], []
    for seed in progress(seeds):
        fast.append(drive(seed, 30.0, frames, find))
        slow.append(drive(seed, 10.0, frames, find))
    dropped = [[moment for k, moment in enumerate(one) if k % 3 < 2] for one in fast]
    return {"30 Hz": fast, "10 Hz": slow, "30 Hz, every third dropped": dropped}


def compared(sequences: dict[str, list[Drive]]) -> dict[str, dict[str, Any]]:
    """Returns the figures of every tracker: over all sequences, and below their names those of each kind.

    Figures are those of `metrics.tracks.track_scores`, and `ms_per_frame`, of the processor, of one thread.

    Raises:
        ModuleNotFoundError: TrackEval is not installed.
    """
    figures = {}
    for name, begin in trackers().items():
        told = {kind: [_followed(begin, one) for one in drives] for kind, drives in sequences.items()}
        parts = {kind: _figures(drives, told[kind]) for kind, drives in sequences.items()}
        whole = _figures([d for drives in sequences.values() for d in drives], [t for ts in told.values() for t in ts])
        figures[name] = whole | parts
    return figures


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


def _followed(begin: Callable[[], Follow], one: Drive) -> tuple[list[Named], float]:
    """Returns what a tracker says of each frame, and the seconds that it took."""
    follow = begin()
    start = time.thread_time()
    return [follow(moment) for moment in one], time.thread_time() - start


def _figures(drives: list[Drive], told: list[tuple[list[Named], float]]) -> dict[str, float]:
    overlaps = [[moment.overlap for moment in one] for one in drives]
    scores = track_scores(list(zip(overlaps, (names for names, _ in told), strict=True)))
    seconds = sum(seconds for _, seconds in told)
    return {**scores, "ms_per_frame": round(1e3 * seconds / sum(map(len, drives)), 2)}


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
