"""Remembers where the boxes of tracks were lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from seg_ros.lifting.boxes import Box

LASTS = 1.0
"""Seconds that a place is remembered."""
_MOST_PLACES, _MOST_TRACKS = 30, 256
"""Of a track, the newest; and tracks, those seen last."""


class Trails:
    """Collects the centres of boxes by track, one stream after the other.

    Centres are in the sensor's coordinates of their own frame: what stands still leaves a trail when the robot moves.
    """

    def __init__(self) -> None:
        self._stamp = 0.0
        self._places: dict[int, list[tuple[float, np.ndarray]]] = {}

    def add(self, stamp: float, boxes: Sequence[Box]) -> Mapping[int, np.ndarray]:
        """Adds the boxes of a frame, and returns the trail of each that has a track.

        Args:
            stamp: of the frame, s. One that goes back forgets all.
            boxes: of the frame.

        Returns:
            By track, `(N, 3)`, m, the newest last.
        """
        if stamp < self._stamp:
            self._places.clear()
        self._stamp = stamp
        for box in boxes:
            if box.track_id:
                places = self._places.pop(box.track_id, [])  # to the end: seen last
                self._places[box.track_id] = [*places[1 - _MOST_PLACES :], (stamp, box.center)]
        recent = ((track, [p for p in places if stamp - p[0] <= LASTS]) for track, places in self._places.items())
        self._places = dict([(track, places) for track, places in recent if places][-_MOST_TRACKS:])
        seen = {box.track_id for box in boxes}
        return {
            track: np.array([place for _, place in places]) for track, places in self._places.items() if track in seen
        }
