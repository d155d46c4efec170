"""Newest frame first, in turn, in batches."""

import threading
import time
from collections import Counter

import pytest

from seg_ros.mailbox import NewestFirst
from test.conftest import wait_for


class Worker:
    """A mailbox whose work waits for `gate`, and what came of what was put in.

    `raises` is an error by item; `then` what is put in while a pair of key and item is worked on.
    """

    def __init__(self, **options):
        self.gate, self.started = threading.Event(), threading.Event()
        self.done, self.dropped, self.failures = [], [], []
        self.raises, self.then = {}, {}
        self.mailbox = NewestFirst(
            self._work, self.dropped.append, lambda items, error: self.failures.append((items, error)), **options
        )

    def _work(self, items):
        self.started.set()
        assert self.gate.wait(10)
        for _, item in items:
            if item in self.raises:
                raise self.raises[item]
        self.done.append(items)
        for pair in items:
            self.put(*self.then.get(pair, ()))

    def put(self, *items):
        for key, item in items:
            self.mailbox.put(key, item)

    def hold(self):
        """Gives it something to work on until the gate is opened."""
        self.put(("hold", 0))
        assert self.started.wait(10)


@pytest.fixture
def worker():
    made = []

    def worker(**options):
        made.append(Worker(**options))
        return made[-1]

    yield worker
    for each in made:
        each.gate.set()
        assert each.mailbox.stop(10)


def test_only_the_newest_of_a_key_waits(worker):
    w = worker()
    w.hold()
    w.put(*[("a", i) for i in range(10)], ("b", 0), ("b", 1))
    assert Counter(w.dropped) == {"a": 9, "b": 1}
    w.gate.set()
    wait_for(lambda: len(w.done) == 3)
    assert w.done[1:] == [[("a", 9)], [("b", 1)]]
    assert len(w.dropped) == 10


def test_keys_take_turns(worker):
    w = worker()
    w.hold()
    w.put(("a", 0), ("b", 0), ("c", 0))
    w.put(("c", 1), ("b", 1), ("a", 1))  # what replaces takes its place
    w.then[("a", 1)] = [("a", 2)]
    w.gate.set()
    wait_for(lambda: len(w.done) == 5)
    assert w.done[1:] == [[("a", 1)], [("b", 1)], [("c", 1)], [("a", 2)]]


def test_a_fast_key_does_not_starve_a_slow_one(worker):
    w = worker()
    w.hold()
    for i in range(20):  # after every frame of either there is a new one of it, of the fast one there are three
        w.then[("fast", i)] = [("fast", "old"), ("fast", "old"), ("fast", i + 1)]
        w.then[("slow", i)] = [("slow", i + 1)]
    w.put(("fast", 0), ("slow", 0))
    w.gate.set()
    wait_for(lambda: len(w.done) == 43)
    assert w.done[1:] == [[(key, i)] for i in range(21) for key in ("fast", "slow")]


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (4, [4, 1]), (9, [5])])
def test_batches_are_of_different_keys(worker, batch, sizes):
    w = worker(batch=batch)
    w.hold()
    for item in range(3):
        w.put(*[(key, item) for key in "abcde"])
    w.gate.set()
    wait_for(lambda: sum(map(len, w.done)) == 6)
    assert [len(items) for items in w.done[1:]] == sizes
    assert [pair for items in w.done[1:] for pair in items] == [(key, 2) for key in "abcde"]
    assert Counter(w.dropped) == dict.fromkeys("abcde", 2)


def test_what_work_raises_reaches_failed_and_the_thread_lives_on(worker):
    w = worker(batch=2)
    w.hold()
    w.raises["bad"] = ValueError("why")
    w.put(("a", "bad"), ("b", "good"))
    w.gate.set()
    wait_for(lambda: w.failures)
    assert w.failures == [([("a", "bad"), ("b", "good")], w.raises["bad"])]
    w.put(("a", "good"))
    wait_for(lambda: w.done[1:] == [[("a", "good")]])
    assert w.dropped == []


def test_stop_lets_what_is_in_work_finish_and_drops_all_that_is_pending(worker):
    w = worker()
    w.hold()
    w.put(("a", 1), ("b", 1), ("c", 1))
    assert not w.mailbox.stop(timeout=0.05)  # still in work
    assert w.dropped == ["a", "b", "c"]
    w.gate.set()
    assert w.mailbox.stop()
    assert w.done == [[("hold", 0)]]
    assert w.dropped == ["a", "b", "c"]


def test_stop_ends_an_idle_thread():
    before = threading.active_count()
    worker = NewestFirst(lambda items: None, lambda key: None, pytest.fail)
    assert threading.active_count() == before + 1
    assert worker.stop()
    assert threading.active_count() == before


def test_begin_comes_first_and_on_the_thread():
    seen = []
    worker = NewestFirst(
        lambda items: seen.append(("work", threading.current_thread().name)),
        pytest.fail,
        pytest.fail,
        begin=lambda: seen.append(("begin", threading.current_thread().name)),
    )
    worker.put("a", 1)
    wait_for(lambda: len(seen) == 2)
    assert worker.stop()
    assert seen == [("begin", "inference"), ("work", "inference")]


def test_nothing_put_in_is_lost_uncounted():
    """Items from several threads are all worked on, or dropped."""
    done, dropped, keys, each = Counter(), Counter(), "abcd", 500
    worker = NewestFirst(
        lambda items: (time.sleep(1e-4), done.update(key for key, _ in items)),
        lambda key: dropped.update([key]),  # of one key by one thread at a time
        pytest.fail,
        batch=3,
    )
    threads = [threading.Thread(target=lambda k=k: [worker.put(k, i) for i in range(each)]) for k in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worker.stop()
    assert {key: done[key] + dropped[key] for key in keys} == dict.fromkeys(keys, each)
