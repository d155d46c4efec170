"""What is known of the tracks of a camera, and what was found in a frame, as tables with a row for each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seg_ros.results import Instances
from seg_ros.tracking import appearance, kalman
from seg_ros.tracking.association import grids

MOST_OBJECTS = 256
"""Objects of a frame that are followed, the best scored."""
TRAIL = 24
"""Frames in which an object was found whose places are remembered."""
_MEMORY = 0.2
"""Weight of the newest frame in the score of a track."""
SURE = 0.9
"""Score from which an object begins a track, unless it is said otherwise."""
_DOUBT = 16
"""Power of a score in the belief in a track: what the network doubts a little is often a part, or two at once."""


class Found(NamedTuple):
    """The objects of a frame as columns of D rows: `place` as in `kalman.Motion`, the others as in `Known`."""

    box: np.ndarray
    place: np.ndarray
    mask: np.ndarray
    colour: np.ndarray
    class_id: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, objects: Instances, picture: np.ndarray | None) -> Found:
        masks = grids(objects.masks[:MOST_OBJECTS])
        colour = appearance.colours(objects.roi[:MOST_OBJECTS], masks, picture, objects.size)
        roi = objects.roi[:MOST_OBJECTS].astype(np.float64)
        box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:]))
        return cls(
            box, kalman.places(box), masks, colour, objects.class_id[:MOST_OBJECTS],
            objects.score[:MOST_OBJECTS].astype(np.float64),
        )  # fmt: skip


class Known(NamedTuple):
    """All tracks, as columns of T rows.

    Attributes:
        motion: of the smallest box around the whole object.
        part: `(T, 4)`, what was seen of it: how far its centre lay from the whole's, in sizes of that, and how the
            logarithms of the sizes differed.
        mask: `(T, GRID + 1, GRID + 1) bool`, the last one, of `association.grids`.
        colour: `(T, PARTS)`, of `appearance.colours`.
        track_id: 0 until the track is believed.
        age: frames in which it was seen.
        belief: sum of `belief` in its objects.
        score: mean of the last scores.
        votes: `(T, 256)`, sum of the scores by class.
        seen: when it was last seen, s.
        trail: `(T, TRAIL, 2)`, centres, the newest last, NaN where there were fewer.
    """

    motion: kalman.Motion
    part: np.ndarray
    mask: np.ndarray
    colour: np.ndarray
    track_id: np.ndarray
    age: np.ndarray
    belief: np.ndarray
    score: np.ndarray
    votes: np.ndarray
    seen: np.ndarray
    trail: np.ndarray

    @property
    def class_id(self) -> np.ndarray:
        return self.votes.argmax(axis=1)

    def visible(self) -> np.ndarray:
        """Returns where what was seen of each is expected, boxes `(T, 4)`."""
        place = self.motion.place.copy()
        place[:, :2] += self.part[:, :2] * np.exp(place[:, 2:])
        place[:, 2:] += self.part[:, 2:]
        return kalman.boxes(self.motion._replace(place=place))

    @classmethod
    def begin(cls, found: Found, rows: np.ndarray, stamp: float, velocity: np.ndarray, sure: float) -> Known:
        """Starts a track for each of the objects `rows`. `sure`: see `belief`."""
        n = len(rows)
        score = found.score[rows]
        votes, trail = np.zeros((n, 256), np.float32), np.full((n, TRAIL, 2), np.nan, np.float32)
        votes[np.arange(n), found.class_id[rows]] = score
        trail[:, -1] = found.place[rows, :2]
        return cls(
            kalman.begin(found.place[rows], velocity), np.zeros((n, 4)), found.mask[rows], found.colour[rows],
            np.zeros(n, np.uint32), np.ones(n, np.uint32), belief(score, sure), score, votes, np.full(n, stamp), trail,
        )  # fmt: skip

    def take(self, rows: np.ndarray) -> Known:
        """Returns the chosen tracks."""
        return Known(self.motion.take(rows), *(column[rows] for column in self[1:]))

    def joined(self, other: Known) -> Known:
        """Returns these tracks and, behind them, the others."""
        columns = (np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True))
        return Known(self.motion.joined(other.motion), *columns)


def nothing() -> Known:
    places, no_class, no_score = np.zeros((0, 4)), np.zeros(0, np.uint8), np.zeros(0)
    none = Found(places, places, grids(()), np.zeros((0, appearance.PARTS), np.float32), no_class, no_score)
    return Known.begin(none, np.zeros(0, np.intp), 0.0, np.zeros((0, 4)), SURE)


def belief(score: np.ndarray, sure: float) -> np.ndarray:
    """Returns what objects of these scores add to the belief in a track, 0..1. A score of `sure` counts as `SURE`."""
    return np.minimum(score * (SURE / sure), 1.0) ** _DOUBT


def correct(known: Known, rows: np.ndarray, found: Found, seen: np.ndarray, stamp: float, sure: float) -> None:
    """Takes the objects `seen` into their tracks `rows`, in place. `sure`: see `belief`."""
    motion, place = known.motion.take(rows), found.place[seen]
    complete = kalman.whole(motion, place, stamp - known.seen[rows])
    complete = np.where(known.age[rows, None] > 2, complete, place)
    corrected = kalman.correct(motion, complete)
    size = np.exp(corrected.place[:, 2:])
    known.part[rows] = np.hstack(((place[:, :2] - complete[:, :2]) / size, place[:, 2:] - complete[:, 2:]))
    for column, values in zip(known.motion, corrected, strict=True):
        column[rows] = values
    score = found.score[seen]
    known.mask[rows] = found.mask[seen]
    known.colour[rows] = appearance.remembered(known.colour[rows], found.colour[seen])
    known.age[rows] += 1
    known.belief[rows] += belief(score, sure)
    known.score[rows] += _MEMORY * (score - known.score[rows])
    known.votes[rows, found.class_id[seen]] += score
    known.seen[rows] = stamp
    known.trail[rows, :-1] = known.trail[rows, 1:]
    known.trail[rows, -1] = found.place[seen, :2]
