"""Newest frame first, and the statistics."""

import threading

import pytest

from seg_ros.scheduler import NewestFirst, Statistics


@pytest.fixture
def gate():
    return threading.Event()


def test_only_the_newest_waits(gate):
    started, done, finished, dropped = threading.Event(), [], threading.Event(), []

    def work(item):
        started.set()
        gate.wait(5)
        done.append(item)
        if item == 9:
            finished.set()

    worker = NewestFirst(work, lambda: dropped.append(1), pytest.fail)
    worker.put(0)
    assert started.wait(5)
    for item in range(1, 10):
        worker.put(item)
    gate.set()
    assert finished.wait(5)
    assert worker.stop()
    assert done == [0, 9]
    assert len(dropped) == 8


def test_what_work_raises_reaches_failed_and_the_thread_lives_on():
    errors, seen = [], threading.Event()

    def work(item):
        if item == "bad":
            raise ValueError(item)
        seen.set()

    failed = threading.Event()

    def note(error):
        errors.append(error)
        failed.set()

    worker = NewestFirst(work, lambda: None, note)
    worker.put("bad")
    assert failed.wait(5)
    worker.put("good")
    assert seen.wait(5)
    assert worker.stop()
    assert [str(e) for e in errors] == ["bad"]


def test_stop_lets_the_item_in_work_finish_and_forgets_the_pending_one(gate):
    started, done = threading.Event(), []

    def work(item):
        started.set()
        gate.wait(5)
        done.append(item)

    dropped = []
    worker = NewestFirst(work, lambda: dropped.append(1), pytest.fail)
    worker.put(1)
    assert started.wait(5)
    worker.put(2)
    assert not worker.stop(timeout=0.05)  # still in work
    gate.set()
    assert worker.stop()
    assert done == [1]
    assert dropped == [1]


def test_stop_ends_an_idle_thread():
    before = threading.active_count()
    worker = NewestFirst(lambda item: None, lambda: None, pytest.fail)
    assert threading.active_count() == before + 1
    assert worker.stop()
    assert threading.active_count() == before


def test_statistics():
    statistics = Statistics(window=100)
    for _ in range(5):
        statistics.arrived()
    statistics.drop("stale")
    statistics.drop("stale")
    statistics.drop("step")
    for age in range(1, 102):
        statistics.published({"age": float(age)})
    snapshot = statistics.snapshot()
    assert snapshot["frames_in"] == 5
    assert snapshot["frames_out"] == 101
    assert snapshot["dropped"] == {"stale": 2, "step": 1}
    assert snapshot["p50"]["age"] == pytest.approx(51.5)  # of the last 100
    assert snapshot["p99"]["age"] == pytest.approx(100.01)


def test_statistics_of_nothing():
    counts = {"frames_in": 0, "frames_out": 0, "objects_capped": 0, "dropped": {}}
    assert Statistics().snapshot() == counts | {"p50": {}, "p99": {}}
