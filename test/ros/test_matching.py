"""Which labels a measurement gets: those of its own moment, never others, and none waits for ever."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.ros.matching import Matcher

MS = 10**6


@pytest.fixture
def matcher():
    lost = []
    matcher = Matcher(0.02, 5, lambda: lost.append(1))
    matcher.lost = lost
    return matcher


def measured(matcher, *milliseconds):
    return [pair for ms in milliseconds for pair in matcher.measurement((1, ms * MS), f"m{ms}")]


def labelled(matcher, *milliseconds, part="label", needed=("label",)):
    return [(m, parts[part]) for ms in milliseconds for m, parts in matcher.label(part, (1, ms * MS), f"l{ms}", needed)]


def test_a_measurement_waits_for_the_label_of_its_stamp(matcher):
    assert measured(matcher, 0, 33, 66, 99) == []
    assert labelled(matcher, 66) == [("m66", "l66")]
    assert len(matcher.lost) == 2  # those before it
    assert labelled(matcher, 99) == [("m99", "l99")]


def test_a_late_measurement_finds_its_label(matcher):
    assert labelled(matcher, 0, 33, 66) == []
    assert [m for m, _ in measured(matcher, 33)] == ["m33"]


def test_the_nearest_in_the_tolerance_and_only_once(matcher):
    assert measured(matcher, 10, 50) == []
    assert labelled(matcher, 0) == []  # the next may be nearer
    assert labelled(matcher, 14) == [("m10", "l14")]
    assert labelled(matcher, 90) == []
    assert len(matcher.lost) == 1  # m50: nothing within 20 ms
    measured(matcher, 89, 92)
    assert labelled(matcher, 93) == [("m92", "l93")]


def test_parts_go_together_or_not_at_all(matcher):
    needed = ("label", "instances")
    measured(matcher, 5, 38)
    assert labelled(matcher, 5, needed=needed) == []
    assert labelled(matcher, 38, part="instances", needed=needed) == []
    assert labelled(matcher, 38, needed=needed) == [("m38", "l38")]


def test_memory_is_bounded_and_every_measurement_is_accounted_for(matcher):
    for i in range(1000):
        measured(matcher, i)
        matcher.label("instances", (2, i), "no label comes", ("label", "instances"))
    assert len(matcher.lost) == 1000 - 5
    matcher.clear()
    assert len(matcher.lost) == 1000


def test_a_recording_that_starts_again_is_matched_again(matcher):
    matcher.measurement((9, 0), "old")
    matcher.label("label", (9, 500 * MS), "old", ("label",))
    measured(matcher, 0)
    assert labelled(matcher, 0) == [("m0", "l0")]
    assert len(matcher.lost) == 1
