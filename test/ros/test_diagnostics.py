"""What reaches /diagnostics."""

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is not installed")

from builtin_interfaces.msg import Time

from seg_ros.ros.diagnostics import ERROR, OK, WARN, Health, Look, array, status
from seg_ros.statistics import Statistics


def look(
    now, frames_in=0, frames_out=0, state="segmenting", *, published=True, noted=(), period=0.0, busy=0.0, work=0.0,
    compiling=0.0, **dropped,
):  # fmt: skip
    counts = Statistics().counts() | {
        "frames_in": frames_in,
        "frames_out": frames_out,
        "dropped": dropped,
        "noted": dict(noted),
        "period": period,
        "work": work,
    }
    return Look(now, state, "/image", published, counts, busy, 5.0, compiling)


def judged(*looks):
    """Level and message after these looks."""
    health = Health()
    for each in looks:
        level, message, _ = health.judge(each)
    return level, message


def test_nested_values_become_one_value_a_key():
    values = {"engine": "eager", "rate": 29.987, "dropped": {"stale": 3}, "p50": {"age": 1.0}, "refused": {}}
    one = status("/seg: front", WARN, "why", values)
    assert (one.name, one.level, one.message) == ("/seg: front", WARN, "why")
    expected = {"engine": "eager", "rate": "29.99", "dropped/stale": "3", "p50/age": "1.00"}
    assert {v.key: v.value for v in one.values} == expected


def test_array_has_the_stamp_and_all_statuses():
    statuses = [status(name, OK, "", {}) for name in ("/seg: front", "/seg: rear")]
    message = array(Time(sec=7), statuses)
    assert message.header.stamp.sec == 7
    assert list(message.status) == statuses


def test_rates_are_those_since_the_last_call():
    health = Health()
    assert health.judge(look(0.0))[2] == {"rate_in": 0.0, "rate_out": 0.0}
    level, message, rates = health.judge(look(2.0, 60, 40, stale=20))
    assert (level, message) == (OK, "segmenting")
    assert rates == {"rate_in": 30.0, "rate_out": 20.0}


# Silence


def test_silence_is_an_error_that_heals():
    health = Health(patience=1.5)
    for now, frames, expected in [(0.0, 0, OK), (1.0, 10, OK), (2.0, 10, OK), (3.5, 10, ERROR), (4.5, 11, OK)]:
        level, message, _ = health.judge(look(now, frames, frames))
        assert level == expected, now
        assert (message == "no frame on /image for 2 s") is (expected == ERROR)


def test_where_nobody_publishes_it_says_so():
    message = "no frame on /image for 3 s: nobody publishes it"
    assert judged(look(0.0, published=False), look(3.0, published=False)) == (ERROR, message)


def test_a_slow_camera_is_silent_after_three_periods():
    slow = [look(now, frames, frames, period=2.0) for now, frames in ((0.0, 3), (2.0, 4), (4.0, 5), (9.9, 5))]
    assert judged(*slow)[0] == OK
    assert judged(*slow, look(10.1, 5, 5, period=2.0))[0] == ERROR


def test_watch_tells_begin_and_end_of_silence_once():
    health = Health(patience=1.5)
    frames = [(0.1 * i, 5) for i in range(20)] + [(2.0 + 0.1 * i, 6) for i in range(10)]
    assert [now for now, n in frames if health.watch(look(now, n))] == [pytest.approx(1.6), pytest.approx(2.0)]


def test_a_camera_that_is_rightly_silent_is_not_in_error():
    for state, message in (("inactive", "inactive"), ("disabled", "disabled"), ("idle", "idle: no subscriber")):
        assert judged(look(0.0), look(100.0, state=state)) == (OK, message)
        # The silence begins anew when it segments again.
        assert judged(look(0.0), look(100.0, state=state), look(101.0)) == (OK, "segmenting")
        assert judged(look(0.0), look(100.0, state=state), look(102.0))[0] == ERROR


def test_an_idle_node_misses_the_camera_that_nobody_publishes():
    idle = [look(now, state="idle", published=False) for now in (0.0, 3.0)]
    assert judged(*idle) == (ERROR, "no frame on /image for 3 s: nobody publishes it")


# Frames

LOST = "6 of 100 frames were lost between camera and node: see docs/transport.md"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"stale": 9, "rate": 9}, (OK, "segmenting")),
        ({}, {"step": 2}, (WARN, "bad frames: 2 step")),
        ({}, {"step": 2, "old": 1, "stale": 5}, (WARN, "bad frames: 1 old, 2 step")),
        ({"step": 2}, {"step": 2}, (OK, "segmenting")),
        ({"step": 2}, {"step": 3}, (WARN, "bad frames: 1 step")),
        ({}, {"step": 2, "engine": 1}, (ERROR, "segmentation failed: 1 engine, 2 step")),
        ({}, {"memory": 1}, (ERROR, "segmentation failed: 1 memory")),
        ({}, {"not_finite": 4}, (ERROR, "segmentation failed: 4 not_finite")),
        ({}, {"internal": 1}, (ERROR, "segmentation failed: 1 internal")),
        ({"engine": 1}, {"engine": 1}, (OK, "segmenting")),
        ({}, {"transport": 5}, (OK, "segmenting")),
        ({}, {"transport": 6}, (WARN, LOST)),
        ({"transport": 50}, {"transport": 51}, (OK, "segmenting")),
        ({}, {"transport": 6, "step": 1}, (WARN, f"bad frames: 1 step; {LOST}")),
        ({}, {"transport": 6, "engine": 1}, (ERROR, "segmentation failed: 1 engine")),
    ],
)
def test_new_drops_make_the_level(before, after, expected):
    assert judged(look(0.0, 10, 10, **before), look(1.0, 110, 90, **after)) == expected


def test_a_camera_that_sends_only_bad_frames_is_an_error():
    bad = look(1.0, 5, 0, encoding=5)
    assert judged(look(0.0), bad) == (ERROR, "only bad frames: 5 encoding")
    assert judged(look(0.0), bad, look(2.0, 9, 2, encoding=7)) == (WARN, "bad frames: 2 encoding")


def test_odd_stamps_warn_while_they_come():
    odd = {"zero_stamp": 3}
    assert judged(look(0.0), look(1.0, 3, 3, noted=odd)) == (WARN, "odd frames: 3 zero_stamp")
    assert judged(look(0.0), look(1.0, 3, 3, noted=odd), look(2.0, 6, 6, noted=odd))[0] == OK
    both = (WARN, "bad frames: 1 step; odd frames: 3 zero_stamp")
    assert judged(look(0.0), look(1.0, 4, 3, noted=odd, step=1)) == both


def test_an_inference_that_takes_long_is_an_error_while_it_does():
    assert judged(look(0.0, 1, 0, busy=0.9))[0] == OK
    level, message = judged(look(0.0, 1, 0, busy=3.2))
    assert (level, message) == (ERROR, "the frame in work has taken 3 s; at 5 s the process ends")
    assert judged(look(0.0, 1, 0, busy=3.2), look(1.0, 1, 1))[0] == OK


# Standstill


def stood(seconds, **last):
    """Level and message when frames have arrived for so long, at 10 Hz, and none after the first was published."""
    looks = [look(0.1 * i, 1 + i, 1) for i in range(int(10 * seconds) + 1)]
    return judged(*looks, look(0.1 + seconds, 2 + int(10 * seconds), 1, **last))


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ({"compiling": 33.2, "stale": 19}, "compiling for 33 s"),
        ({"stale": 19, "work": 1.43}, "too slow: a frame takes 1.4 s; dropped: 19 stale"),
        ({"stale": 19, "work": 0.4}, "too slow: a frame takes 0.4 s, and cameras take turns; dropped: 19 stale"),
        ({"stale": 19}, "too slow: the first frame is not done; dropped: 19 stale"),
        ({}, "too slow: the first frame is not done"),
    ],
)
def test_a_standstill_warns_and_then_is_an_error_with_its_reason(last, why):
    assert stood(1.8, **last) == (OK, "segmenting")
    assert stood(2.0, **last) == (WARN, f"nothing published for 2 s: {why}")
    assert stood(4.8, **last) == (WARN, f"nothing published for 5 s: {why}")
    assert stood(5.0, **last) == (ERROR, f"nothing published for 5 s: {why}")


def test_bad_frames_between_long_gaps_stand_still_too():
    looks = [look(0.0, 1, 1), look(1.0, 2, 1, period=9.0, corrupt=1), look(2.0, 2, 1, period=9.0, corrupt=1)]
    assert judged(*looks, look(6.0, 2, 1, period=9.0, corrupt=1))[1] == "nothing published for 5 s: dropped: 1 corrupt"


def test_a_standstill_ends_with_the_next_frame_and_counts_anew():
    health = Health()
    frames = [(1, 1), *((n, 1) for n in range(2, 60)), (60, 2), *((n, 2) for n in range(61, 70))]
    changes = [i for i, n in enumerate(frames) if health.watch(look(0.1 * i, *n))]
    assert changes == [21, 51, 59]
    assert health.judge(look(7.0, 70, 3))[:2] == (OK, "segmenting")


def test_frames_that_nobody_wants_are_no_standstill():
    slow = [look(0.1 * i, 1 + i, 1, rate=i) for i in range(60)]
    assert judged(*slow) == (OK, "segmenting")
    disabled = [look(0.1 * i, 1 + i, 1, state="disabled") for i in range(60)]
    assert judged(*disabled) == (OK, "disabled")
