"""Choosing by measurement: what counts, what is taken, and what is remembered."""

import json

import pytest

from seg_ros.engines import choosing
from seg_ros.engines.choosing import Choice, Memory, choose
from seg_ros.errors import EngineError
from test.engines.clocks import FakeClock

SHAPE = (1, 8, 8)


def test_the_least_of_the_rounds_medians_counts():
    clock = FakeClock()
    delays = iter([0.5, 0.5, 0.5] + [0.1, 0.1, 0.4] * 4)  # a round begun while something else ran
    one = clock.run(0.0, 0.1)

    def run():
        one()
        clock.seconds += next(delays, 0.1)

    choice = choose({"a": lambda: run, "b": lambda: clock.run(0.2, 0.2)}, 1, clock)
    assert choice.measured == pytest.approx({"a": 100.0, "b": 200.0})
    assert not choice.busy


def test_what_is_far_behind_is_measured_once():
    clock = FakeClock()
    ran = {"slow": 0, "behind": 0, "fast": 0}

    def counted(name, seconds):
        run = clock.run(seconds, seconds)

        def count():
            ran[name] += 1
            run()

        return lambda: count

    choice = choose({n: counted(n, s) for n, s in {"slow": 0.5, "behind": 0.19, "fast": 0.1}.items()}, 1, clock)
    assert ran == {"slow": 1, "behind": 5, "fast": 5}
    assert choice.measured == pytest.approx({"slow": 500.0, "behind": 190.0, "fast": 100.0})


def test_on_a_busy_machine_the_processors_time_counts():
    clock = FakeClock(others=1.0)
    runs = {"a": lambda: clock.run(0.3, 0.2), "b": lambda: clock.run(0.5, 0.1)}
    choice = choose(runs, 2, clock)
    assert choice.busy
    assert "busy" in str(choice)
    assert choice.measured == pytest.approx({"a": 100.0, "b": 50.0})  # of two threads
    assert choice.ranking == ["b", "a"]


@pytest.mark.parametrize(
    ("measured", "ranking"),
    [
        ({"a": 10.0, "b": 9.7, "c": 20.0}, ["a", "b", "c"]),
        ({"a": 10.0, "b": 9.0, "c": 8.9}, ["b", "c", "a"]),
        ({"a": 30.0, "b": 20.0, "c": 10.0}, ["c", "b", "a"]),
    ],
)
def test_of_what_is_as_fast_the_first_is_taken(measured, ranking):
    assert Choice(measured, {}, False).ranking == ranking


def test_what_does_not_open_is_refused_with_its_reason():
    def fail():
        raise EngineError("no compiler")

    clock = FakeClock()
    choice = choose({"a": fail, "b": lambda: clock.run(0.1, 0.1)}, 1, clock)
    assert (choice.refused, list(choice.measured)) == ({"a": "no compiler"}, ["b"])


def test_what_concerns_every_engine_is_raised():
    def fail():
        raise EngineError("NaN in the weights", reason="not_finite")

    with pytest.raises(EngineError, match="NaN in the weights"):
        choose({"a": fail, "b": fail}, 1, FakeClock())


def test_the_clock_counts_what_others_use():
    clock = choosing.Clock()
    others = clock.all() - clock.own()
    assert 0 < others < clock.all()


CHOICE = Choice({"a": 1.5, "b": 2.5}, {"c": "none"}, False)
KEYS = {"a": "1", "b": "2", "c": "3"}


def test_a_choice_is_remembered_for_these_candidates_only(tmp_path):
    Memory(tmp_path / "cache", KEYS).keep(CHOICE)
    assert Memory(tmp_path / "cache", KEYS).recall() == CHOICE
    assert Memory(tmp_path / "cache", KEYS | {"a": "4"}).recall() is None
    assert Memory(tmp_path / "cache", KEYS | {"d": "4"}).recall() is None
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".choice"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-9],
        lambda text: "[" * 50_000,
        lambda text: text.replace('"b"', '"d"'),
        lambda text: text.replace("1.5", "NaN"),
        lambda text: text.replace("1.5", "0.0"),
        lambda text: text.replace("1.5", "true"),
        lambda text: text.replace("1.5", '"fast"'),
        lambda text: text.replace('"none"', "1"),
        lambda text: text.replace("false", "0"),
        lambda text: json.dumps(json.loads(text) | {"measured": {}, "refused": dict.fromkeys(KEYS, "")}),
        lambda text: text + " " * 2**16,
    ],
)
def test_a_damaged_choice_is_none(damage, tmp_path, caplog):
    Memory(tmp_path, KEYS).keep(CHOICE)
    [path] = tmp_path.iterdir()
    path.write_text(damage(path.read_text()))
    assert Memory(tmp_path, KEYS).recall() is None
    assert "it is made anew" in caplog.text


def test_a_choice_that_others_can_write_is_none(tmp_path, caplog):
    Memory(tmp_path, KEYS).keep(CHOICE)
    [path] = tmp_path.iterdir()
    path.chmod(0o666)
    assert Memory(tmp_path, KEYS).recall() is None
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert Memory(tmp_path, KEYS).recall() is None
    assert caplog.text.count("writable by others") == 2


def test_a_cache_that_cannot_be_written_costs_no_engine(tmp_path, caplog):
    (tmp_path / "file").touch()
    Memory(tmp_path / "file/cache", KEYS).keep(CHOICE)
    assert "is not remembered" in caplog.text
    assert Memory(tmp_path / "file/cache", KEYS).recall() is None
