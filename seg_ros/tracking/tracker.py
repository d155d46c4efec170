"""Follows the objects of one camera from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seg_ros.results import Instances, Tracks
from seg_ros.tracking import camera_motion, kalman
from seg_ros.tracking.association import best_first, grids, mask_iou, nearness

FAINT = 0.1
"""Smallest score of an object that a track goes on through."""
_SURE = 0.5
"""Score from which an object may be any track's; below, only that of one seen just now."""
_NEW = 0.7
"""Score from which an object that is no track's begins one."""
_BELIEVED = 0.97
"""Sum of the scores of a track's objects from which it has an id: one frame where the network is sure, else two."""
_OVERLAP, _FAINT_OVERLAP = 0.2, 0.4
"""Least IoU of an object's mask and a track's predicted one; for faint objects more."""
_OTHER_CLASS = 0.5
"""What the IoU is multiplied by where the object is of another class than the track."""
_TWIN = 0.3
"""IoU with a better scored object of its class from which an object begins no track: it is the same thing twice."""
_JUST_NOW = 0.25
"""Seconds since it was seen in which a track goes on through faint objects."""
_LOST, _LOST_UNBELIEVED = 1.0, 0.1
"""Seconds that a track is kept without an object; and one that has no id yet."""
_GAP = 2.0
"""Seconds between two frames after which no track goes on."""
_MEMORY = 0.2
"""Weight of the newest frame in the score of a track."""
_NEIGHBOURS = 0.1
"""Weight of standing still against a neighbour in the same place, where the velocity of a new object is expected."""
_MOST_OBJECTS, _MOST_TRACKS = 256, 512
"""Objects of a frame that are followed, the best scored; and tracks that are kept, those seen last."""
TRAIL = 24
"""Frames in which an object was found whose places are remembered."""


class _Known(NamedTuple):
    """All tracks, as columns of T rows.

    Attributes:
        motion: of the smallest box around the mask.
        mask: `(T, GRID + 1, GRID + 1) bool`, the last one, of `association.grids`.
        track_id: 0 until the track is believed.
        age: frames in which it was seen.
        belief: sum of the scores.
        score: mean of the last scores.
        votes: `(T, 256)`, sum of the scores by class.
        seen: when it was last seen, s.
        trail: `(T, TRAIL, 2)`, centres, the newest last, NaN where there were fewer.
    """

    motion: kalman.Motion
    mask: np.ndarray
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

    @classmethod
    def begin(cls, found: _Found, rows: np.ndarray, stamp: float, velocity: np.ndarray) -> _Known:
        """Starts a track for each of the objects `rows`."""
        n = len(rows)
        score = found.score[rows]
        votes, trail = np.zeros((n, 256), np.float32), np.full((n, TRAIL, 2), np.nan, np.float32)
        votes[np.arange(n), found.class_id[rows]] = score
        trail[:, -1] = found.place[rows, :2]
        return cls(
            kalman.begin(found.place[rows], velocity), found.mask[rows], np.zeros(n, np.uint32), np.ones(n, np.uint32),
            score, score, votes, np.full(n, stamp), trail,
        )  # fmt: skip

    def take(self, rows: np.ndarray) -> _Known:
        """Returns the chosen tracks."""
        return _Known(self.motion.take(rows), *(column[rows] for column in self[1:]))

    def joined(self, other: _Known) -> _Known:
        """Returns these tracks and, behind them, the others."""
        columns = (np.concatenate(pair) for pair in zip(self[1:], other[1:], strict=True))
        return _Known(self.motion.joined(other.motion), *columns)


class _Found(NamedTuple):
    """The objects of a frame as columns of D rows; `place` as in `kalman.Motion`, `mask` of `association.grids`."""

    box: np.ndarray
    place: np.ndarray
    mask: np.ndarray
    class_id: np.ndarray
    score: np.ndarray

    @classmethod
    def of(cls, objects: Instances) -> _Found:
        roi = objects.roi[:_MOST_OBJECTS].astype(np.float64)
        box = np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:]))
        return cls(
            box, kalman.places(box), grids(objects.masks[:_MOST_OBJECTS]), objects.class_id[:_MOST_OBJECTS],
            objects.score[:_MOST_OBJECTS].astype(np.float64),
        )  # fmt: skip


class Tracker:
    """Follows objects by the overlap of their masks and by their motion, in time and not in frames; one for a camera.

    Objects are associated with the tracks' predicted masks in stages, as in ByteTrack (Zhang et al., ByteTrack:
    Multi-Object Tracking by Associating Every Detection Box, arXiv 2110.06864): first the sure ones, then, with
    tracks seen just now, the faint ones. What is left is associated by its place: an object that comes out from
    behind another shows a part of itself first, which overlaps nothing. A new object is expected to move as those
    near by do; and where pictures are given, all tracks to move with the camera. The class of a track is voted for
    by its objects.

    Tracks are kept for one second without an object. None survives a stamp that goes back, a gap of more than two
    seconds, or another size of frame; ids go on, and none is given twice.

    Args:
        ids: where the ids of tracks are taken from, from 1 on; trackers that share it never have an id in common.
    """

    def __init__(self, ids: Iterator[int]) -> None:
        self._ids = ids
        self._size: tuple[int, int] | None = None
        self._stamp = 0.0
        self._picture: np.ndarray | None = None
        self._known = _nothing()

    def update(self, stamp: float, objects: Instances, picture: np.ndarray | None = None) -> Tracks:
        """Takes the objects of the next frame.

        Args:
            stamp: of the frame, s.
            objects: in descending score. Those below the score that is to be shown help, down to `FAINT`.
            picture: the frame, `(H, W, 3)` or grey, uint8, or a smaller one of its shape; a camera that turns or shakes
                breaks tracks without.

        Returns:
            The tracks of the objects, in their order. Beyond 256 objects the worst scored are not followed.
        """
        found = _Found.of(objects)
        picture = None if picture is None else camera_motion.small(picture)
        known = self._predicted(stamp, objects.size, picture)
        track = _associated(known, found, stamp - known.seen)
        seen = np.flatnonzero(track >= 0)
        _correct(known, track[seen], found, seen, stamp)
        kept = np.flatnonzero(_lasts(known, stamp, objects.size))
        new = _new(found, track)
        velocity = _expected(known, found.place[new], objects.size)
        track[seen] = np.searchsorted(kept, track[seen])  # what was seen is kept
        track[new] = len(kept) + np.arange(len(new))
        known = known.take(kept).joined(_Known.begin(found, new, stamp, velocity))
        for row in np.flatnonzero((known.track_id == 0) & (known.belief >= _BELIEVED)):
            known.track_id[row] = next(self._ids)
        self._stamp, self._size, self._picture, self._known = stamp, objects.size, picture, known
        return _told(known, track, objects.class_id)

    def _predicted(self, stamp: float, size: tuple[int, int], picture: np.ndarray | None) -> _Known:
        """Returns the tracks as they should be at `stamp`, the newest `_MOST_TRACKS`; none after a cut."""
        seconds = stamp - self._stamp
        if size != self._size or not 0.0 <= seconds <= _GAP:
            return _nothing()
        known = self._known
        if len(known.seen) > _MOST_TRACKS:
            known = known.take(np.sort(np.argsort(-known.seen, kind="stable")[:_MOST_TRACKS]))
        motion = known.motion
        if len(known.seen) and picture is not None:
            motion = motion._replace(place=self._shifted(motion.place, size, picture))
        return known._replace(motion=kalman.predict(motion, seconds))

    def _shifted(self, place: np.ndarray, size: tuple[int, int], picture: np.ndarray) -> np.ndarray:
        """Returns where the camera's own motion takes places from the last picture to this one."""
        before = self._picture
        moved = camera_motion.motion(before, picture) if before is not None and before.shape == picture.shape else None
        if moved is None:
            return place
        return place + np.array([*moved, 0.0, 0.0]) * (size[1] / picture.shape[1])


def _nothing() -> _Known:
    none = _Found(*(np.zeros(shape) for shape in ((0, 4), (0, 4))), grids(()), np.zeros(0, np.uint8), np.zeros(0))
    return _Known.begin(none, np.zeros(0, np.intp), 0.0, np.zeros((0, 4)))


def _associated(known: _Known, found: _Found, since: np.ndarray) -> np.ndarray:
    """Returns the row of each object's track, `(D,)`; -1 where there is none. `since`: s since each track was seen."""
    track = np.full(len(found.score), -1, np.intp)
    if not (len(track) and len(since)):
        return track
    same = known.class_id[:, None] == found.class_id[None]
    overlap = mask_iou(kalman.boxes(known.motion), known.mask, found.box, found.mask)
    overlap *= np.where(same, 1.0, _OTHER_CLASS)
    believed, sure = known.track_id > 0, found.score >= _SURE
    free = np.ones(len(since), bool)

    def stage(of_tracks: np.ndarray, of_objects: np.ndarray, least: float, near: bool = False) -> None:
        rows, columns = np.flatnonzero(of_tracks & free), np.flatnonzero(of_objects & (track < 0))
        if len(rows) and len(columns):
            if near:
                likely = nearness(known.motion.take(rows), since[rows], found.place[columns])
                likely *= same[np.ix_(rows, columns)]
            else:
                likely = overlap[np.ix_(rows, columns)]
            i, j = best_first(likely, least)
            track[columns[j]] = rows[i]
            free[rows[i]] = False

    stage(believed, sure, _OVERLAP)
    stage(believed & (since <= _JUST_NOW), ~sure, _FAINT_OVERLAP)
    stage(~believed, sure, _OVERLAP)
    stage(believed, sure, 1e-9, near=True)
    stage(~believed, sure, 1e-9, near=True)
    return track


def _correct(known: _Known, rows: np.ndarray, found: _Found, seen: np.ndarray, stamp: float) -> None:
    """Takes the objects `seen` into their tracks `rows`, in place."""
    corrected = kalman.correct(known.motion.take(rows), found.place[seen])
    for column, values in zip(known.motion, corrected, strict=True):
        column[rows] = values
    score = found.score[seen]
    known.mask[rows] = found.mask[seen]
    known.age[rows] += 1
    known.belief[rows] += score
    known.score[rows] += _MEMORY * (score - known.score[rows])
    known.votes[rows, found.class_id[seen]] += score
    known.seen[rows] = stamp
    known.trail[rows, :-1] = known.trail[rows, 1:]
    known.trail[rows, -1] = found.place[seen, :2]


def _lasts(known: _Known, stamp: float, size: tuple[int, int]) -> np.ndarray:
    """Returns which tracks are kept, `(T,) bool`: those seen now, and those lost for a short time inside the frame."""
    since = stamp - known.seen
    centre = known.motion.place[:, :2]
    inside = ((centre > 0) & (centre < size[::-1])).all(axis=1)
    return (since <= 0) | (inside & (since <= np.where(known.track_id > 0, _LOST, _LOST_UNBELIEVED)))


def _new(found: _Found, track: np.ndarray) -> np.ndarray:
    """Returns the objects that begin a track."""
    new = np.flatnonzero((track < 0) & (found.score >= _NEW))
    others = np.flatnonzero(track >= 0)
    if len(new) and len(others):
        twin = mask_iou(found.box[new], found.mask[new], found.box[others], found.mask[others]) > _TWIN
        twin &= (found.class_id[new, None] == found.class_id[others]) & (new[:, None] > others)
        new = new[~twin.any(axis=1)]
    return new


def _expected(known: _Known, place: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the velocity of objects at `place` if they move as those near by of similar size do, `(N, 4)`."""
    rows = np.flatnonzero(known.age > 3)
    if not (len(rows) and len(place)):
        return np.zeros_like(place)
    scale = np.array([size[1] / 8, size[0] / 8, 0.5, 0.5])
    apart = (known.motion.place[None, rows] - place[:, None]) / scale
    weight = np.exp(-(apart**2).sum(axis=2))
    return weight @ known.motion.velocity[rows] / (weight.sum(axis=1, keepdims=True) + _NEIGHBOURS)


def _told(known: _Known, track: np.ndarray, class_id: np.ndarray) -> Tracks:
    """Returns what is known of each object's track; of an object without an id only its own class."""
    told = np.flatnonzero(track >= 0)
    told = told[known.track_id[track[told]] > 0]
    rows = known.take(track[told])
    n = len(class_id)
    track_id, age, score = np.zeros(n, np.uint32), np.zeros(n, np.uint32), np.zeros(n, np.float32)
    classes, trail = class_id.copy(), np.full((n, TRAIL, 2), np.nan, np.float32)
    track_id[told], age[told], score[told] = rows.track_id, rows.age, rows.score
    classes[told], trail[told] = rows.class_id, rows.trail
    return Tracks(track_id, age, score, classes, trail)
