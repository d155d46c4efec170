"""How old a frame is by its stamp, and what is odd about it."""

import pytest

from seg_ros.errors import FrameError
from seg_ros.ros.stamps import age, check_age, oddity

SECOND = 10**9
NOW = 1_700_000_000 * SECOND + 250_000_000


@pytest.mark.parametrize(
    ("stamp", "now", "seconds"),
    [
        ((1_700_000_000, 0), NOW, 0.25),
        ((1_699_999_999, 750_000_000), NOW, 0.5),
        ((1_700_000_001, 0), NOW, -0.75),
        ((-1, 500_000_000), SECOND, 1.5),
        ((3, 0), 5 * SECOND, 2.0),  # of a simulated clock
    ],
)
def test_age(stamp, now, seconds):
    assert age(stamp, now) == pytest.approx(seconds)


@pytest.mark.parametrize(("stamp", "now"), [((0, 0), NOW), ((1, 0), 0), ((0, 0), 0)])
def test_no_age_without_stamp_or_clock(stamp, now):
    assert age(stamp, now) is None
    check_age(stamp, now, 0.001)


@pytest.mark.parametrize(
    ("stamp", "now", "kind"),
    [
        ((1_700_000_000, 0), NOW, ""),
        ((1_600_000_000, 0), NOW, ""),
        ((0, 0), NOW, "zero_stamp"),
        ((0, 0), 0, "zero_stamp"),
        ((0, 1), NOW, ""),
        ((1_700_000_000, 300_000_000), NOW, ""),  # clocks never agree to the last digit
        ((1_700_000_000, 450_000_000), NOW, "future_stamp"),
        ((1_700_000_000, 0), 0, ""),
    ],
)
def test_oddity(stamp, now, kind):
    assert oddity(stamp, now) == kind


def test_a_frame_that_is_too_old_is_refused():
    stamp = (1_699_999_999, 0)  # 1.25 s
    for most in (0.0, 1.3, 3600.0):
        check_age(stamp, NOW, most)
    with pytest.raises(FrameError, match=r"1\.25 s old, max_frame_age allows 1\.20 s.*use_sim_time") as caught:
        check_age(stamp, NOW, 1.2)
    assert caught.value.reason == "old"
    check_age((1_700_000_100, 0), NOW, 0.001)  # of the future
