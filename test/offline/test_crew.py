"""How jobs are spread over processes: what is done when one dies, and when an input kills all."""

import threading

import numpy as np
import pytest

from seg_ros.errors import EngineError, RecordingError
from seg_ros.offline import processes, station
from seg_ros.offline.crew import TRIES, spread
from seg_ros.offline.labels import segmented
from seg_ros.offline.processes import Processes
from seg_ros.offline.station import Died
from seg_ros.offline.work import Outcome
from seg_ros.results import Frame, SemanticMap
from test.offline.workers import Silent, job, opening, unfit


def test_a_worker_that_dies_costs_its_input_once_more_and_a_poisonous_input_is_set_aside(tmp_path):
    names = ["a", "killed-1", "killed-9", "raises", "slow-1.2", "b"]
    progress = Silent()
    made = spread([job(name, tmp_path) for name in names], Processes(2, opening, []), progress)
    outcomes = {each.job.input.path.name: each for each in made}
    assert sorted(outcomes) == sorted(names)
    assert {name for name, each in outcomes.items() if each.error} == {"killed-9", "raises"}
    assert "killed-9: set aside, 3 workers died of it" in outcomes["killed-9"].error
    assert "SIGKILL" in outcomes["killed-9"].error
    assert "no space left" in outcomes["raises"].error
    tries = {name: len((tmp_path / f"{name}.tries").read_text().split()) for name in names}
    assert tries == {"a": 1, "killed-1": 2, "killed-9": TRIES, "raises": TRIES, "slow-1.2": 1, "b": 1}
    assert progress.frames == sum(each.tally.frames for each in outcomes.values() if each.tally) == 4
    assert outcomes["a"].engine == f"stub {max(1, processes.cores() // 2)}"


def test_a_worker_that_hangs_costs_its_input_once_more(tmp_path):
    names, progress = ["hangs-1", "stopped-1"], Silent()
    made = spread([job(name, tmp_path) for name in names], Processes(2, opening, []), progress, patience=1.0)
    assert {each.job.input.path.name: each.error for each in made} == dict.fromkeys(names, "")
    assert all(len((tmp_path / f"{name}.tries").read_text().split()) > 1 for name in names)
    assert any("hangs-1: once more, for its worker died: no frame for" in text for text in progress.said)


def test_a_worker_that_cannot_begin_ends_the_run(tmp_path):
    with pytest.raises(EngineError, match="a worker cannot begin: ValueError: no such engine"):
        list(spread([job("a", tmp_path)], Processes(2, unfit, []), Silent()))


def test_an_engine_that_does_not_open_ends_the_run(monkeypatch, tmp_path):
    monkeypatch.setattr(station, "OPENING", 0.01)
    held = threading.Event()
    made = list(station.Station(held.wait).run(job("a", tmp_path)))
    held.set()
    assert [type(said) for said in made] == [station.Unfit]
    assert "did not open within 0 s" in made[0].reason


def test_a_lost_device_ends_the_input_and_not_all_frames_that_are_left():
    def segment(key, frame):
        if key:
            raise EngineError("the device is lost" if key == "lost" else "a frame", fatal=key == "lost")
        return SemanticMap(frame.pixels[..., 0])

    frame = Frame(np.zeros((4, 4, 3), np.uint8), bgr=True)
    made = segmented([("", frame), ("one", frame), ("lost", frame), ("", frame)], segment)
    assert [key for key, _ in (next(made), next(made))] == ["", "one"]
    with pytest.raises(EngineError, match="the device is lost"):
        next(made)


class Scripted:
    """One worker, which says what it is told to say."""

    size = 1

    def __init__(self, answer):
        self._answer, self.given, self.closed = answer, [], False

    def give(self, place, job):
        self.given.append(job)

    def hear(self, seconds):
        return [(0, said) for said in self._answer(self.given[-1])]

    def end(self, place):
        pass

    def close(self):
        self.closed = True


def test_inputs_that_all_cost_their_workers_end_the_run(tmp_path):
    workers = Scripted(lambda job: [Died("disk full")])
    made = []
    with pytest.raises(RecordingError, match="is there room on the disk"):
        made.extend(spread([job(str(i), tmp_path) for i in range(100)], workers, Silent()))
    assert workers.closed
    assert len(workers.given) < TRIES * 100


def test_whoever_stops_early_ends_the_workers(tmp_path):
    workers = Scripted(lambda job: [Outcome(job)])
    made = spread([job(str(i), tmp_path) for i in range(3)], workers, Silent())
    next(made)
    made.close()
    assert workers.closed
    assert len(workers.given) == 1


def test_gpus_are_those_that_the_environment_leaves(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert processes.gpus() == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert processes.gpus() == ["3", "5"]


def test_workers_are_as_many_as_cores_and_recordings_are_worth(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "cores", lambda: 3)
    monkeypatch.setattr(processes, "MEMORY", 1)
    assert [processes.most(int(n * processes.WORTH)) for n in (0, 1.9, 2, 9)] == [1, 1, 2, 3]
    monkeypatch.setattr(processes, "CONTAINER", tmp_path / "memory.max")
    for limit, workers in (("max", 3), ("2", 2)):
        processes.CONTAINER.write_text(limit)
        assert processes.most(9 * processes.WORTH) == workers
    monkeypatch.setattr(processes, "MEMORY", 2**60)
    assert processes.most(9 * processes.WORTH) == 1
