"""What reaches /diagnostics."""

import pytest

pytest.importorskip("diagnostic_msgs", reason="diagnostic_msgs is not installed")

from builtin_interfaces.msg import Time

from seg_ros.ros.diagnostics import ERROR, OK, WARN, Health, diagnostics


def snapshot(frames_in=0, frames_out=0, **dropped):
    return {"frames_in": frames_in, "frames_out": frames_out, "dropped": dropped}


def test_nested_values_become_one_value_a_key():
    values = {"engine": "eager", "rate": 29.987, "dropped": {"stale": 3}}
    message = diagnostics(Time(sec=7), "/seg", WARN, "why", values)
    status = message.status[0]
    assert message.header.stamp.sec == 7
    assert (status.name, status.level, status.message) == ("/seg: segmentation", WARN, "why")
    assert {v.key: v.value for v in status.values} == {"engine": "eager", "rate": "29.99", "dropped/stale": "3"}


def test_rates_are_those_since_the_last_call():
    health = Health()
    health.judge(0.0, True, snapshot(), "/image")
    level, message, rates = health.judge(2.0, True, snapshot(60, 40, stale=20), "/image")
    assert (level, message) == (OK, "segmenting")
    assert rates == {"rate_in": 30.0, "rate_out": 20.0}


def test_silence_is_an_error_that_heals():
    health = Health(silence=2.0)
    health.judge(0.0, True, snapshot(), "/image")
    assert health.judge(1.0, True, snapshot(10, 10), "/image")[0] == OK
    assert health.judge(2.0, True, snapshot(10, 10), "/image")[0] == OK
    level, message, _ = health.judge(3.5, True, snapshot(10, 10), "/image")
    assert level == ERROR
    assert "/image" in message
    assert health.judge(4.5, True, snapshot(11, 11), "/image")[0] == OK


def test_bad_frames_warn_and_failures_are_errors():
    health = Health()
    health.judge(0.0, True, snapshot(), "/image")
    level, message, _ = health.judge(1.0, True, snapshot(3, 1, step=2), "/image")
    assert (level, message) == (WARN, "bad frames: 2 step")
    assert health.judge(2.0, True, snapshot(4, 2, step=2), "/image")[0] == OK
    level, message, _ = health.judge(3.0, True, snapshot(5, 2, step=2, engine=1), "/image")
    assert (level, message) == (ERROR, "segmentation failed: 1 engine")


def test_without_subscribers_it_says_idle():
    health = Health()
    health.judge(0.0, True, snapshot(), "/image")
    assert health.judge(1.0, True, snapshot(30, 0, no_subscriber=30), "/image")[:2] == (OK, "idle: no subscriber")


def test_an_inactive_node_is_not_in_error():
    health = Health()
    health.judge(0.0, True, snapshot(), "/image")
    assert health.judge(100.0, False, snapshot(), "")[:2] == (OK, "inactive")
    assert health.judge(101.0, True, snapshot(), "/image")[0] == OK
