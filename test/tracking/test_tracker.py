"""Objects keep their ids through what happens to them and to the stream of frames."""

import itertools

import numpy as np
import pytest

from seg_ros.results import Instances
from seg_ros.scenes.street import Street
from seg_ros.tracking import Tracker, known
from seg_ros.tracking import tracker as module
from test.objects import BICYCLIST, CAR, PEDESTRIAN, true_objects

SIZE = (480, 640)


def frame(*objects, size=SIZE):
    """Objects `(class id, score, x, y, width, height)`, each an ellipse, cut to the frame; best scored first."""
    parts = []
    for class_id, score, x, y, width, height in sorted(objects, key=lambda each: -each[1]):
        row, column = np.mgrid[:height, :width]
        inside = ((row + 0.5) / height * 2 - 1) ** 2 + ((column + 0.5) / width * 2 - 1) ** 2 <= 1
        x, y = round(x), round(y)
        left, top = max(0, -x), max(0, -y)
        inside = inside[top : size[0] - y, left : size[1] - x]
        if inside.any():
            roi = (x + left, y + top, inside.shape[1], inside.shape[0])
            parts.append((class_id, score, roi, inside.astype(np.uint8) * 255))
    roi = np.array([part[2] for part in parts], np.int32).reshape(-1, 4)
    return Instances(
        size,
        np.array([part[0] for part in parts], np.uint8),
        np.array([part[1] for part in parts], np.float32),
        np.hstack((roi[:, :2], roi[:, :2] + roi[:, 2:])).astype(np.float32),
        roi,
        tuple(part[3] for part in parts),
    )


@pytest.fixture
def tracker():
    return Tracker(itertools.count(1))


def ids(tracks):
    return tracks.track_id.tolist()


def car(x, score=0.96, y=200):
    return CAR, score, x, y, 60, 40


def test_an_object_has_its_id_from_the_second_frame_on(tracker):
    found = [tracker.update(5.0 + k / 30, frame(car(100 + 4 * k))) for k in range(5)]
    assert [ids(tracks) for tracks in found] == [[0], [1], [1], [1], [1]]
    assert [tracks.age_frames.tolist() for tracks in found] == [[0], [2], [3], [4], [5]]
    assert found[-1].track_score == pytest.approx([0.96])
    assert (found[-1].track_id.dtype, found[-1].age_frames.dtype, found[-1].class_id.tolist()) == ("u4", "u4", [CAR])
    trail = found[-1].trail[0]
    np.testing.assert_allclose(trail[-5:], [(130 + 4 * k, 220) for k in range(5)])
    assert np.isnan(trail[:-5]).all()
    assert np.isnan(found[0].trail).all()


def test_ids_follow_objects_that_cross_at_a_changing_rate(tracker):
    """One car drives behind another; the time between frames varies by a factor of five."""
    rng = np.random.default_rng(0)
    time, seen = 100.0, []
    for _ in range(60):
        time += rng.choice((1 / 50, 1 / 10))
        left, right = (
            (CAR, 0.96, 100 + 90 * (time - 100), 200, 60, 40),
            (CAR, 0.96, 400 - 60 * (time - 100), 230, 70, 50),
        )
        tracks = tracker.update(time, frame(left, right))
        seen.append(ids(tracks))
    assert {tuple(each) for each in seen[1:]} == {(1, 2)}


def test_a_lost_object_comes_back_where_it_must_be_by_then(tracker):
    """Hidden for 0.8 s it moves by two widths; what is in its old place then is somebody else."""
    for k in range(15):
        tracker.update(k / 30, frame(car(100 + 5 * k)))
    for k in range(15, 39):
        assert ids(tracker.update(k / 30, frame())) == []
    back = frame(car(100 + 5 * 39), car(172, 0.958))
    tracker.update(39 / 30, back)
    assert ids(tracker.update(40 / 30, frame(car(100 + 5 * 40), car(172, 0.958)))) == [1, 2]


def test_what_is_lost_is_expected_on_its_way_for_half_a_second(tracker):
    for k in range(15):
        found = frame(car(100 + 5 * k), car(400, y=100))
        tracker.update(k / 30, found)
        assert tracker.coasting(found).track_id.size == 0
    for k in range(15, 33):
        found = frame(car(400, y=100))
        tracker.update(k / 30, found)
        coasting = tracker.coasting(found)
        if k - 14 < 30 * module.COAST:
            assert (coasting.track_id.tolist(), coasting.class_id.tolist()) == ([1], [CAR])
            np.testing.assert_allclose(coasting.box, [[100 + 5 * k, 200, 160 + 5 * k, 240]], atol=5)
    assert coasting.track_id.size == 0


def test_half_an_object_that_comes_out_from_behind_another_is_the_same(tracker):
    for k in range(15):
        tracker.update(k / 30, frame((PEDESTRIAN, 0.96, 100 + 2 * k, 200, 30, 80)))
    for k in range(15, 24):
        tracker.update(k / 30, frame())
    tracks = tracker.update(24 / 30, frame((PEDESTRIAN, 0.96, 148 + 20, 200, 10, 80)))  # its front only
    assert ids(tracks) == [1]


def test_a_faint_object_keeps_a_track_but_begins_none(tracker):
    for k in range(10):
        score = 0.96 if k < 3 else 0.2
        tracks = tracker.update(k / 10, frame(car(100, score), car(400, 0.2, y=300)))
    assert sorted(ids(tracks)) == [0, 1]
    assert tracks.age_frames[tracks.track_id == 1] == [10]
    assert tracks.track_score[tracks.track_id == 1] < 0.5


def test_for_a_network_that_is_less_sure_tracks_begin_at_less(tracker):
    found = [ids(tracker.update(k / 30, frame(car(100 + k, 0.6), car(400, 0.5)), sure=0.6)) for k in range(7)]
    assert found == [[0, 0]] * 5 + [[1, 0]] * 2


def test_the_class_is_voted_for(tracker):
    for k in range(6):
        flips = k == 4
        found = frame((PEDESTRIAN if flips else BICYCLIST, 0.6 if flips else 0.96, 100 + k, 200, 40, 60))
        tracks = tracker.update(k / 30, found)
        if k:
            assert (ids(tracks), tracks.class_id.tolist()) == ([1], [BICYCLIST])
    assert found.followed(tracks).class_id.tolist() == [BICYCLIST]


@pytest.mark.parametrize(
    ("stamp", "size"),
    [(9.0, SIZE), (12.0 + module._GAP, SIZE), (10.3, (240, 320))],
    ids=["the clock goes back", "a gap", "another size"],
)
def test_no_track_survives_a_cut_and_ids_go_on(tracker, stamp, size):
    for k in range(5):
        tracks = tracker.update(10.0 + k / 30, frame(car(100)))
    assert ids(tracks) == [1]
    assert ids(tracker.update(stamp, frame(car(100), size=size))) == [0]
    tracks = tracker.update(stamp + 1 / 30, frame(car(100), size=size))
    assert (ids(tracks), tracks.age_frames.tolist()) == ([2], [2])


def test_trackers_of_two_cameras_share_no_id():
    numbers = itertools.count(1)
    trackers = [Tracker(numbers), Tracker(numbers)]
    for k in range(2):
        found = [tracker.update(k / 30, frame(car(100), car(300))) for tracker in trackers]
    assert [ids(tracks) for tracks in found] == [[1, 2], [3, 4]]


def test_memory_is_bounded_whatever_is_found(tracker):
    rng = np.random.default_rng(0)
    one = np.full((6, 6), 255, np.uint8)
    for k in range(12):
        roi = np.hstack((rng.integers(0, 470, (400, 2)), np.full((400, 2), 6))).astype(np.int32)
        score = np.sort(rng.uniform(0.7, 1, 400).astype(np.float32))[::-1]
        box = np.hstack((roi[:, :2], roi[:, :2] + 6)).astype(np.float32)
        found = Instances(SIZE, np.full(400, CAR, np.uint8), score, box, roi, (one,) * 400)
        tracks = tracker.update(k / 1000, found)
    assert len(tracks.track_id) == 400
    assert not tracks.track_id[known.MOST_OBJECTS :].any()
    assert len(tracker._known.seen) <= module._MOST_TRACKS + known.MOST_OBJECTS


def test_true_objects_of_a_street_keep_their_ids():
    """On true masks, at 10 Hz, an object changes its id in one of 20 frames at most: many hide behind others."""
    street, tracker = Street(20000), Tracker(itertools.count(1))
    ids_of, frames = {}, 0
    for index in range(40):
        found, names = true_objects(street.scene(index, 10.0))
        for name, track in zip(names, ids(tracker.update(index / 10, found)), strict=True):
            if track:
                ids_of.setdefault(name, []).append(track)
                frames += 1
    switches = sum(a != b for track in ids_of.values() for a, b in itertools.pairwise(track))
    assert frames > 200
    assert switches <= 0.05 * frames
