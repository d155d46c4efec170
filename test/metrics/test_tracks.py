"""Scores of tracks, by TrackEval, on sequences whose scores are known."""

import numpy as np
import pytest

from seg_ros.metrics.tracks import Named, Overlap, find_trackeval, track_scores
from test.objects import CAR, PEDESTRIAN, found


def truth():
    """The true images of `found`, with ids 5, 6, 7; and an object of 9 pixels, id 9."""
    result = found()
    instance = result.ids()
    instance[instance > 0] += 4
    label = result.semantic().label
    instance[40:43, 2:5], label[40:43, 2:5] = 9, PEDESTRIAN
    return label, instance, result


def test_overlaps_are_iou_of_masks_and_small_objects_do_not_count():
    label, instance, result = truth()
    overlap = Overlap.of(label, instance, result)
    assert overlap.true_id.tolist() == [5, 6, 7]
    assert overlap.true_class[0] == CAR
    assert overlap.iou[0, 0] == overlap.iou[2, 2] == 1
    assert 0.5 < overlap.iou[1, 1] < 1  # the car hides a part of the pedestrian, whose mask is whole
    assert overlap.counts.all()
    label[:], instance[:] = 255, 0
    instance[6, 14:24] = 9  # all that is true is small, and half of the car lies on none of it
    assert Overlap.of(label, instance, result).counts.all()
    tiny = result[:1]
    instance[:] = 0
    instance[6:18, 4:24] = np.arange(1, 241).reshape(12, 20)
    assert not Overlap.of(label, instance, tiny).counts.any()


def test_scores_of_a_perfect_tracker_of_a_switch_and_of_wrong_classes():
    if not find_trackeval():
        pytest.skip("TrackEval is not installed: requirements/tracking.txt")
    label, instance, result = truth()
    result = result[[0, 2]]
    instance[instance == 6] = 0
    overlaps = [Overlap.of(label, instance, result)] * 10
    perfect = [Named(np.array([3, 8]), result.class_id)] * 10
    assert track_scores([(overlaps, perfect)]) == {"hota": 1.0, "smotsa": 1.0, "idf1": 1.0, "id_switches": 0}
    switched = perfect[:5] + [Named(np.array([4, 8]), result.class_id)] * 5
    scores = track_scores([(overlaps, switched), (overlaps, perfect)])
    assert scores["id_switches"] == 1
    assert scores["smotsa"] == pytest.approx(39 / 40)
    assert scores["idf1"] == pytest.approx(35 / 40)
    silent = [Named(np.zeros(2, int), result.class_id)] * 10
    assert track_scores([(overlaps, silent)])["smotsa"] == 0
    wrong = [Named(np.array([3, 8]), result.class_id[::-1])] * 10
    assert track_scores([(overlaps, wrong)])["hota"] == 0
