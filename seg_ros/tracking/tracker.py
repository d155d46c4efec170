"""Follows the objects of one camera from frame to frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seg_ros.results import Coasting, Instances, Tracks
from seg_ros.tracking import appearance, camera_motion, kalman
from seg_ros.tracking.association import best_first, box_iou, mask_iou, nearness
from seg_ros.tracking.known import SURE, TRAIL, Found, Known, correct, nothing

FAINT = 0.1
"""Smallest score of an object that a track goes on through."""
_SURE = 0.5
"""Score from which an object may be any track's; below, only that of one seen just now."""
_BELIEVED = 0.97
"""Belief in a track (`known.Known.belief`) from which it has an id: two frames at a score of 0.956, six at 0.9."""
_OVERLAP, _FAINT_OVERLAP = 0.2, 0.4
"""Least IoU of an object's mask and a track's predicted one; for faint objects more."""
_OTHER_CLASS = 0.3
"""What the IoU is multiplied by where the object is of another class than the track."""
_TWIN = 0.3
"""IoU with a better scored object of its class from which an object begins no track: it is the same thing twice."""
_JUST_NOW = 0.25
"""Seconds since it was seen in which a track goes on through faint objects."""
_LOST, _LOST_UNBELIEVED = 1.0, 0.1
"""Seconds that a track is kept without an object; and one that has no id yet."""
COAST = 0.5
"""Seconds after it was last found in which an object may be told of by its predicted box."""
_COVERED = 0.3
"""IoU of a predicted box and an object of its class from which the object is taken for the predicted one."""
_MOST_COASTING = 64
"""Predicted boxes of a frame, those seen last."""
_GAP = 2.0
"""Seconds between two frames after which no track goes on."""
_NEAR = 0.01
"""Least `association.nearness`: that it is allowed at all."""
_UNLIKE = 0.02
"""How alike in colour an object must be at least to a track that it is only near to, 0..1."""
_COLOURLESS = 0.2
"""Share of what speaks for a pair that does not depend on their colours."""
_NEIGHBOURS = 0.1
"""Weight of standing still against a neighbour in the same place, where the velocity of a new object is expected."""
_MOST_TRACKS = 512
"""Tracks that are kept, those seen last."""


class Tracker:
    """Follows objects by the overlap of their masks and by their motion, in time and not in frames; one for a camera.

    Objects are associated with the tracks' predicted masks in stages, as in ByteTrack (Zhang et al., ByteTrack:
    Multi-Object Tracking by Associating Every Detection Box, arXiv 2110.06864): first the sure ones, then, with
    tracks seen just now, the faint ones. What is left is associated by its place: an object that comes out from
    behind another shows a part of itself first, which overlaps nothing. Of several candidates those of like colours
    come first. An object that is hidden in part goes on with the size that it had. A new object is expected to move as
    those near by do; and where pictures are given, all tracks to move with the camera. The class of a track is voted
    for by its objects.

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
        self._known = nothing()

    def update(self, stamp: float, objects: Instances, picture: np.ndarray | None = None, sure: float = SURE) -> Tracks:
        """Takes the objects of the next frame.

        Args:
            stamp: of the frame, s.
            objects: in descending score. Those below the score that is to be shown help, down to `FAINT`.
            picture: the frame, `(H, W, 3)` or grey, uint8, or a smaller one of its shape; a camera that turns or shakes
                breaks tracks without.
            sure: score from which an object begins a track; it has an id five frames later, or sooner if it is higher.

        Returns:
            The tracks of the objects, in their order. Beyond 256 objects the worst scored are not followed.
        """
        found = Found.of(objects, picture)
        picture = None if picture is None else camera_motion.small(picture)
        known = self._predicted(stamp, objects.size, picture)
        track = _associated(known, found, stamp - known.seen)
        seen = np.flatnonzero(track >= 0)
        correct(known, track[seen], found, seen, stamp, sure)
        kept = np.flatnonzero(_lasts(known, stamp, objects.size))
        new = _new(found, track, sure)
        track[seen] = np.searchsorted(kept, track[seen])  # what was seen is kept
        track[new] = len(kept) + np.arange(len(new))
        if len(new):
            velocity = _expected(known, found.place[new], objects.size)
            known = known.take(kept).joined(Known.begin(found, new, stamp, velocity, sure))
        elif len(kept) < len(known.seen):
            known = known.take(kept)
        for row in np.flatnonzero((known.track_id == 0) & (known.belief >= _BELIEVED)):
            known.track_id[row] = next(self._ids)
        self._stamp, self._size, self._picture, self._known = stamp, objects.size, picture, known
        return _told(known, track, objects.class_id)

    def coasting(self, objects: Instances) -> Coasting:
        """Returns where objects are expected that are not among those of the last frame, for a short time.

        They have ids, and were found at most `COAST` seconds before. What an object of its class covers is not told of.

        Args:
            objects: of the last `update`.
        """
        known, (height, width) = self._known, objects.size
        since = self._stamp - known.seen
        rows = np.flatnonzero((known.track_id > 0) & (since > 0) & (since <= COAST))
        rows = rows[np.argsort(since[rows], kind="stable")[:_MOST_COASTING]]
        box, class_id = kalman.boxes(known.motion.take(rows)), known.class_id[rows]
        box = np.clip(box, 0, (width, height, width, height))
        covered = (box_iou(box, objects.box) > _COVERED) & (class_id[:, None] == objects.class_id)
        told = ((box[:, 2:] - box[:, :2]) >= 1.0).all(axis=1) & ~covered.any(axis=1)
        return Coasting(known.track_id[rows[told]], class_id[told].astype(np.uint8), box[told].astype(np.float32))

    def _predicted(self, stamp: float, size: tuple[int, int], picture: np.ndarray | None) -> Known:
        """Returns the tracks as they should be at `stamp`, the newest `_MOST_TRACKS`; none after a cut."""
        seconds = stamp - self._stamp
        if size != self._size or not 0.0 <= seconds <= _GAP:
            return nothing()
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


def _associated(known: Known, found: Found, since: np.ndarray) -> np.ndarray:
    """Returns the row of each object's track, `(D,)`; -1 where there is none. `since`: s since each track was seen."""
    track = np.full(len(found.score), -1, np.intp)
    if not (len(track) and len(since)):
        return track
    same = known.class_id[:, None] == found.class_id[None]
    overlap = mask_iou(known.visible(), known.mask, found.box, found.mask)
    overlap *= np.where(same, 1.0, _OTHER_CLASS)
    alike = appearance.alike(known.colour, since, found.colour)
    preference = _COLOURLESS + (1 - _COLOURLESS) * alike
    believed, sure = known.track_id > 0, found.score >= _SURE
    free = np.ones(len(since), bool)

    def stage(of_tracks: np.ndarray, of_objects: np.ndarray, least: float, near: bool = False) -> None:
        rows, columns = np.flatnonzero(of_tracks & free), np.flatnonzero(of_objects & (track < 0))
        if len(rows) and len(columns):
            pairs = rows[:, None], columns
            if near:
                likely = nearness(known.motion.take(rows), since[rows], found.place[columns])
                likely *= same[pairs] & (alike[pairs] > _UNLIKE)
            else:
                likely = overlap[pairs]
            likely = np.where(likely >= least, likely * preference[pairs], 0)
            i, j = best_first(likely, 1e-9)
            track[columns[j]] = rows[i]
            free[rows[i]] = False

    stage(believed, sure, _OVERLAP)
    stage(believed & (since <= _JUST_NOW), ~sure, _FAINT_OVERLAP)
    stage(~believed, sure, _OVERLAP)
    stage(believed, sure, _NEAR, near=True)
    stage(~believed, sure, _NEAR, near=True)
    return track


def _lasts(known: Known, stamp: float, size: tuple[int, int]) -> np.ndarray:
    """Returns which tracks are kept, `(T,) bool`: those seen now, and those lost for a short time inside the frame."""
    since = stamp - known.seen
    centre = known.motion.place[:, :2]
    inside = ((centre > 0) & (centre < size[::-1])).all(axis=1)
    return (since <= 0) | (inside & (since <= np.where(known.track_id > 0, _LOST, _LOST_UNBELIEVED)))


def _new(found: Found, track: np.ndarray, sure: float) -> np.ndarray:
    """Returns the objects that begin a track."""
    new = np.flatnonzero((track < 0) & (found.score >= sure))
    others = np.flatnonzero(track >= 0)
    if len(new) and len(others):
        twin = mask_iou(found.box[new], found.mask[new], found.box[others], found.mask[others]) > _TWIN
        twin &= (found.class_id[new, None] == found.class_id[others]) & (new[:, None] > others)
        new = new[~twin.any(axis=1)]
    return new


def _expected(known: Known, place: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the velocity of objects at `place` if they move as those near by of similar size do, `(N, 4)`."""
    rows = np.flatnonzero(known.age > 3)
    if not (len(rows) and len(place)):
        return np.zeros_like(place)
    scale = np.array([size[1] / 8, size[0] / 8, 0.5, 0.5])
    apart = (known.motion.place[None, rows] - place[:, None]) / scale
    weight = np.exp(-(apart**2).sum(axis=2))
    return weight @ known.motion.velocity[rows] / (weight.sum(axis=1, keepdims=True) + _NEIGHBOURS)


def _told(known: Known, track: np.ndarray, class_id: np.ndarray) -> Tracks:
    """Returns what is known of each object's track; of an object without an id only its own class."""
    told = np.flatnonzero(track >= 0)
    told = told[known.track_id[track[told]] > 0]
    rows, n = track[told], len(class_id)
    track_id, age, score = np.zeros(n, np.uint32), np.zeros(n, np.uint32), np.zeros(n, np.float32)
    classes, trail = class_id.copy(), np.full((n, TRAIL, 2), np.nan, np.float32)
    track_id[told], age[told], score[told] = known.track_id[rows], known.age[rows], known.score[rows]
    classes[told], trail[told] = known.class_id[rows], known.trail[rows]
    return Tracks(track_id, age, score, classes, trail)
