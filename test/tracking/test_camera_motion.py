"""What the camera does to the picture is found, whatever moves in it by itself, and keeps tracks together."""

import itertools

import cv2
import numpy as np
import pytest

from seg_ros.scenes.street import Street
from seg_ros.tracking import Tracker, camera_motion
from test.tracking.test_tracker import car, frame, ids


@pytest.fixture(scope="module")
def picture():
    return Street(20000).scene(0).image


def moved(picture, x, y, degrees=0.0, scale=1.0):
    """The picture turned and scaled about its middle, and moved."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, scale)
    matrix[:, 2] += x, y
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), matrix


@pytest.mark.parametrize("how", [(24, -9), (-8, 4, 2.0), (0, 0, 0, 1.04)], ids=["shift", "turn", "scale"])
def test_the_motion_of_the_picture_is_found_beside_what_moves_by_itself(picture, how):
    now, matrix = moved(picture, *how)
    now[200:300, 300:400] = picture[200:300, 280:380]  # moves its own way
    before, now = camera_motion.small(picture), camera_motion.small(now)
    found = camera_motion.motion(before, now)
    step = picture.shape[1] / before.shape[1]
    middle = np.array([320.0, 240.0])
    assert np.abs(found * step - (matrix[:, :2] @ middle + matrix[:, 2] - middle)).max() < 3


def test_nothing_to_see_is_no_motion():
    blank = camera_motion.small(np.full((480, 640, 3), 90, np.uint8))
    assert blank.shape == (120, 160)
    assert camera_motion.motion(blank, blank) is None
    assert camera_motion.small(blank) is not None


def test_a_camera_that_shakes_keeps_its_tracks(picture):
    """Every frame is seen 50 pixels further left or right: small objects overlap themselves no more."""
    tracker, blind, seen, lost = Tracker(itertools.count(1)), Tracker(itertools.count(1)), set(), set()
    for k in range(12):
        x = 25 if k % 2 else -25
        objects = frame((*car(200 + x)[:4], 24, 16), (*car(240 + x, 0.958)[:4], 24, 16))
        seen.add(tuple(ids(tracker.update(k / 15, objects, moved(picture, x, 0)[0]))))
        lost.add(tuple(ids(blind.update(k / 15, objects))))
    assert seen == {(0, 0), (1, 2)}
    assert lost != seen


def test_pictures_that_have_nothing_in_common_are_no_motion():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (120, 160), np.uint8) for _ in range(40)]
    assert all(camera_motion.motion(*pair) is None for pair in itertools.pairwise(pictures))
