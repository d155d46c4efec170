"""What is counted of a camera, and how long stages took."""

import pytest

from seg_ros import statistics
from seg_ros.statistics import Statistics

NOTHING = {"frames_in": 0, "frames_out": 0, "objects_capped": 0, "dropped": {}, "noted": {}, "period": 0.0, "work": 0.0}


def test_counts():
    statistics = Statistics()
    assert statistics.counts() == NOTHING
    for _ in range(5):
        statistics.arrived()
    for reason in ("stale", "stale", "step"):
        statistics.drop(reason)
    for kind in ("zero_stamp", "", "zero_stamp", "future_stamp"):
        statistics.published({}, oddities=filter(None, [kind]))
    statistics.published({}, objects_capped=3)
    counts = statistics.counts()
    assert counts.pop("period") >= 0
    assert counts.pop("work") == 0.0
    assert counts == {
        "frames_in": 5,
        "frames_out": 5,
        "objects_capped": 3,
        "dropped": {"stale": 2, "step": 1},
        "noted": {"zero_stamp": 2, "future_stamp": 1},
    }
    counts["dropped"]["stale"] = 99  # a copy
    assert statistics.counts()["dropped"]["stale"] == 2


def test_what_was_lost_on_the_way_was_sent():
    statistics = Statistics()
    statistics.arrived(0)
    assert statistics.counts() == NOTHING | {"frames_in": 1}  # no reason that is 0
    statistics.arrived(3)
    assert (statistics.frames_in, statistics.counts()["dropped"]) == (5, {"transport": 3})


def test_timings_are_of_the_last_frames_in_ms():
    statistics = Statistics(window=100)
    assert statistics.timings() == {"p50": {}, "p99": {}}
    for seconds in range(1, 102):
        statistics.published({"decode": 1e-3}, age=1e-3 * seconds)
    statistics.published({})  # an age that is not known
    timings = statistics.timings()
    assert timings["p50"] == {"decode": pytest.approx(1.0), "age": pytest.approx(51.5)}  # of the last 100
    assert timings["p99"]["age"] == pytest.approx(100.01)


@pytest.mark.parametrize(
    ("arrivals", "period"),
    [([7.0], 0.0), ([7.0, 7.5], 0.5), ([1.0, 7.0, 7.5], 0.5), ([7.0, 7.5, 60.0], 0.5), ([1.0, 7.0, 7.5, 60.0], 0.5)],
)
def test_period_is_the_shorter_of_the_last_two_gaps(monkeypatch, arrivals, period):
    counted, clock = Statistics(), iter(arrivals)
    monkeypatch.setattr(statistics.time, "monotonic", lambda: next(clock))
    for _ in arrivals:
        counted.arrived()
    assert counted.counts()["period"] == period
