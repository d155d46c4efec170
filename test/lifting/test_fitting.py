"""Boxes of points: the yaw, size and place of what they are on, and what bleeds in left out."""

import numpy as np
import pytest

from seg_ros.lifting.fitting import LEAST, fit
from seg_ros.lifting.outline import Outline

LEVEL = np.eye(3, dtype=np.float32)


def alone(points, outline=None):
    (found,) = fit([points], LEVEL, outlines=None if outline is None else [outline])
    return found


@pytest.mark.parametrize("yaw", [-60, -20, 0, 10, 45, 80])
def test_a_car_seen_from_two_sides_has_its_yaw(yaw):
    t = np.radians(yaw)
    turn = np.array(((np.cos(t), -np.sin(t)), (np.sin(t), np.cos(t))))
    rng = np.random.default_rng(0)
    end = np.column_stack((np.full(150, -2.2), rng.uniform(-0.9, 0.9, 150)))
    side = np.column_stack((rng.uniform(-2.2, 2.2, 300), np.full(300, 0.9 if yaw < 0 else -0.9)))
    flat = np.concatenate((end, side)) + rng.normal(0, 0.02, (450, 2))
    points = np.column_stack((flat @ turn.T + (12, 1), rng.uniform(0, 1.5, 450)))
    center, size, angle, count, _ = alone(points.astype(np.float32))
    assert np.degrees(angle) == pytest.approx(yaw, abs=2.5)
    assert center == pytest.approx([12, 1, 0.75], abs=0.15)
    assert size == pytest.approx([4.4, 1.8, 1.5], abs=0.15)
    assert count > 400


@pytest.mark.parametrize("place", [(0.0, 0.0), (-4.0, 0.0), (5.0, 1.0)], ids=["behind", "beside", "far beside"])
def test_between_a_lidars_points_and_the_end_of_the_mask_the_box_goes_on(place):
    """A car of 4.4 x 1.8 x 1.5 m whose outermost points are 20 cm short of its ends."""
    low, high = np.float64((12, place[0] - 0.9, place[1] - 1.5)), np.float64((16.4, place[0] + 0.9, place[1]))
    inner = np.linspace(low + 0.2, high - 0.2, 15).T
    rear = [(low[0], y, z) for y in inner[1] for z in inner[2]]
    near = low[1] if low[1] > 0 else high[1]
    side = [(x, near, z) for x in inner[0] for z in inner[2]] if abs(place[0]) > 0.9 else []
    points = np.float32(rear + side)
    seen = np.float64([(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    bearing = seen[:, 1] / seen[:, 0]
    middle = low + high
    left, right = ((1, slope, middle[2] / middle[0]) for slope in (bearing.max(), bearing.min()))
    up, down = ((1, middle[1] / middle[0], z / low[0]) for z in (high[2], low[2]))
    outline = Outline(np.zeros(3), np.float64((left, right, up, down)))
    center, size, *_ = alone(points, outline)
    if side:
        assert center == pytest.approx((low + high) / 2, abs=0.1)
        assert size == pytest.approx(high - low, abs=0.15)
    else:  # nobody sees how long it is
        assert center[1:] == pytest.approx((low + high)[1:] / 2, abs=0.05)
        assert size == pytest.approx([1.8, 0.1, 1.5], abs=0.05)
    unknown = alone(points, Outline(np.zeros(3), np.full((4, 3), np.nan)))
    bare = alone(points)
    assert unknown[1] == pytest.approx(bare[1])
    wide = np.float64(((1, 9, 0), (1, -9, 0), (1, 0, 9), (1, 0, -9)))  # of a mask that has run out into everything
    grown = alone(points, Outline(np.zeros(3), wide))
    assert (grown[1] < bare[1] + 3).all()


def test_each_object_is_fitted_as_if_it_were_alone():
    rng = np.random.default_rng(1)
    many = [np.float32(rng.normal((8 + i, i, 0), (1, 0.4, 0.3), (n, 3))) for i, n in enumerate((700, 3, 40, 0, 90))]
    many[2][::4] = np.nan
    many[4][:] = np.nan
    fits = fit(many, LEVEL, margins=np.linspace(0, 0.01, 5))
    assert [found is None for found in fits] == [False, True, False, True, True]
    for i in (0, 2):
        (single,) = fit([many[i]], LEVEL, margins=[0.01 * i / 4])
        assert fits[i].center == pytest.approx(single.center)
        assert fits[i].size == pytest.approx(single.size)
        assert fits[i][2:] == single[2:]
    assert fit([], LEVEL) == []


def test_the_farthest_points_before_a_gap_belong_to_the_object():
    car, wall = (
        np.column_stack((x, 0.4 * np.sin(9 * x), x % 1)) for x in (np.linspace(8, 12, 200), np.linspace(20, 21, 90))
    )
    found = alone(np.float32(np.vstack((car, wall))))
    assert found.points == 200 > LEAST
    assert found.size[0] == pytest.approx(4, abs=0.1)
