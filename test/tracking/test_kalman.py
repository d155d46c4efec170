"""The filter finds a steady motion, in time and not in frames, and is as sure of it as it should be."""

import itertools

import numpy as np
import pytest

from seg_ros.tracking import kalman


def followed(stamps, box):
    """The motion after boxes at these stamps, and the last stamp."""
    motion = kalman.begin(kalman.places(box(stamps[0])), np.zeros((1, 4)))
    for before, now in itertools.pairwise(stamps):
        motion = kalman.correct(kalman.predict(motion, now - before), kalman.places(box(now)))
    return motion


def growing(t):
    """A box that moves by 120 px a second and comes nearer by 50 % a second."""
    x, size = 100 + 120 * t, 40 * np.exp(0.5 * t)
    return np.array([[x - size / 2, 200 - size, x + size / 2, 200 + size]])


@pytest.mark.parametrize("stamps", [np.arange(30) / 30, np.arange(10) / 10, np.cumsum([0.02, 0.1] * 8)], ids=len)
def test_a_steady_motion_is_predicted_at_any_rate(stamps):
    motion = followed(stamps, growing)
    np.testing.assert_allclose(motion.velocity[0], [120, 0, 0.5, 0.5], atol=4)
    ahead = kalman.boxes(kalman.predict(motion, 0.5))
    np.testing.assert_allclose(ahead, growing(stamps[-1] + 0.5), atol=4)


def test_two_steps_are_as_one_of_twice_the_time():
    motion = followed(np.arange(5) / 10, growing)
    once, twice = kalman.predict(motion, 0.4), kalman.predict(kalman.predict(motion, 0.2), 0.2)
    for one, two in zip(once[:2], twice[:2], strict=True):
        np.testing.assert_allclose(one, two)
    np.testing.assert_allclose(once.covariance[:, 2:], twice.covariance[:, 2:])
    assert (once.covariance[..., 0] > motion.covariance[..., 0]).all()


def test_jitter_is_smoothed_and_the_uncertainty_covers_it():
    rng = np.random.default_rng(0)
    errors, deviations = [], []
    for _ in range(40):
        shifts = rng.normal(0, 0.07 * 40, (30, 2))
        box = iter([np.hstack((c - 20, c + 20))[None] for c in np.array((100, 200)) + shifts])
        motion = followed(np.arange(30) / 30, lambda t, box=box: next(box))
        errors.append(motion.place[0, :2] - (100, 200))
        deviations.append(np.sqrt(motion.covariance[0, :2, 0]))
    assert np.std(errors) < 0.07 * 40 / 1.3
    assert 0.5 < np.std(errors) / np.mean(deviations) < 1.5
