"""Trails are where the boxes of a track were in the last second, and no more than fits."""

import numpy as np

from seg_ros.lifting import trails
from seg_ros.lifting.boxes import Box


def box(track, x):
    return Box(1, 8, 0.9, np.array([x, 0.0, 10.0]), np.ones(3), 0.0, 99, track_id=track)


def test_a_trail_is_of_the_last_second_and_a_clock_that_goes_back_begins_anew():
    kept = trails.Trails()
    for k in range(25):
        told = kept.add(5.0 + k / 10, [box(7, k), box(0, k)])
    assert told.keys() == {7}
    np.testing.assert_allclose(told[7][:, 0], np.arange(14, 25))
    assert kept.add(7.5, []) == {}
    assert len(kept.add(7.6, [box(7, 26)])[7]) > 5  # hidden for a moment
    assert len(kept.add(1.0, [box(7, 27)])[7]) == 1


def test_memory_is_bounded_whatever_comes():
    kept = trails.Trails()
    for k in range(2000):
        told = kept.add(k / 1000, [box(1, k), *(box(10 * k + i, k) for i in range(2, 10))])
        assert max(map(len, told.values())) <= trails._MOST_PLACES
        assert len(kept._places) <= trails._MOST_TRACKS
