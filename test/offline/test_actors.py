"""The command `label` on a Ray cluster of two nodes: the same outputs, whatever is killed."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seg_ros.errors import RecordingError
from seg_ros.offline.crew import TRIES, spread
from test.conftest import wait_for
from test.offline.recordings import finishes_without, tree, write_bag
from test.offline.workers import Silent, job, opening

beside = str(Path(sys.prefix, "fleet"))  # where `make test` keeps it
if beside not in sys.path:
    sys.path.append(beside)
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements/ray.txt")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes of a core each."""
    from ray.cluster_utils import Cluster

    arguments = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")  # beside other tests its 15 takes minutes
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        made = Cluster(initialize_head=True, head_node_args={**arguments, "include_dashboard": False})
        made.add_node(**arguments)
        yield made
        made.shutdown()


def test_an_actor_that_dies_or_hangs_costs_its_input_once_more_and_a_poisonous_input_is_set_aside(cluster, tmp_path):
    from seg_ros.offline.actors import Actors

    names = ["killed-1", "stopped-1", "raises", "a"]
    crew = Actors(cluster.address, 4, len(names), opening, "auto")  # of a core each; there are two
    assert crew.size == 4
    made = spread([job(name, tmp_path) for name in names], crew, Silent(), patience=15.0)
    outcomes = {each.job.input.path.name: each.error for each in made}
    assert sorted(outcomes) == sorted(names)
    assert [name for name, error in outcomes.items() if error] == ["raises"]
    tries = {name: len((tmp_path / f"{name}.tries").read_text().split()) for name in names}
    assert tries["raises"] == TRIES
    assert min(tries["killed-1"], tries["stopped-1"]) > 1
    assert not ray.is_initialized()


def writers(folder):
    """The processes that have files below a folder open."""
    found = set()
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has just ended
            for link in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):  # or closed a file
                    if os.readlink(f"/proc/{process}/fd/{link}").startswith(f"{folder}/"):
                        found.add(int(process))
    return found


def parent(process):
    with contextlib.suppress(OSError):  # it has just ended
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_outputs_are_the_same_whatever_is_killed(cluster, pictures, label, small_weights, tmp_path, capsys):
    for name in ("a", "b"):
        write_bag(tmp_path / "in" / name, pictures * 150)
    label(capsys, tmp_path / "in", "--output", tmp_path / "alone")
    command = [sys.executable, "-m", "seg_ros.cli.label", tmp_path / "in", "--output", tmp_path / "out"]
    options = ["--weights", small_weights, "--engine", "eager", "--quiet", "--workers", "2"]
    options += ["--ray", cluster.address]
    partials = [tmp_path / "out" / "in" / f".{name}.partial" for name in ("a", "b")]

    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as driver:
        wait_for(lambda: any(map(writers, partials)), 120.0)
        driver.kill()
    wait_for(lambda: not any(map(writers, partials)), 30.0)

    def node(driver):
        (other,) = cluster.worker_nodes
        raylet = other.all_processes["raylet"][0].process.pid
        at_work = wait_for(lambda: [p for p in set().union(*map(writers, partials)) if parent(p) == raylet], 120.0)
        os.kill(raylet, signal.SIGKILL)  # its worker alone would go on for a while
        return at_work[0]

    finishes_without([*command, *options], node)
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    from seg_ros.offline.actors import Actors

    with pytest.raises(RecordingError, match="expected HOST:PORT"):
        Actors("ray://localhost:10001", 1, 1, opening, "auto")
