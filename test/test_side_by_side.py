"""The order of the whole suite, seen in a small one."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOOKS = "from test.side_by_side import pytest_cmdline_main, pytest_collection_modifyitems, pytest_runtestloop"
SUITE = """
import os
from pathlib import Path

import pytest


def note(name):
    with open("order", "a") as file:
        print(name, os.environ.get("PYTEST_XDIST_WORKER", "itself"), file=file)


@pytest.mark.alone
def test_time():
    note("alone")
    assert Path("fine").exists()


@pytest.mark.parametrize("i", range(4))
def test_beside(i):
    note("beside")
"""


@pytest.fixture
def suite(tmp_path):
    """Runs a suite of four tests and one that measures time: the exit status, and who ran what in which order."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite/conftest.py").write_text(HOOKS)
    (tmp_path / "suite/test_it.py").write_text(SUITE)
    without = "-p no:launch_testing -p no:launch_ros -p no:launch_pytest"  # as in our own setup.cfg
    (tmp_path / "setup.cfg").write_text(f"[tool:pytest]\ntestpaths = suite\nmarkers = alone\naddopts = {without}\n")

    def run(*arguments: str) -> tuple[int, list[list[str]]]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pytest", "-q", "--junit-xml=result.xml", *arguments]
        status = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=60).returncode
        return status, [line.split() for line in (tmp_path / "order").read_text().splitlines()]

    return run


def test_what_measures_time_runs_last_and_alone(suite, tmp_path):
    status, order = suite()
    assert [name for name, _ in order] == ["beside"] * 4 + ["alone"]
    assert [process == "itself" for _, process in order] == [False] * 4 + [True]
    assert status == 1  # it failed
    (result,) = ElementTree.parse(tmp_path / "result.xml").getroot()
    assert (result.get("tests"), result.get("failures")) == ("5", "1")


def test_a_run_of_one_path_starts_no_processes(suite, tmp_path):
    (tmp_path / "fine").touch()
    status, order = suite("suite/test_it.py")
    assert status == 0
    assert order == [["alone", "itself"], *[["beside", "itself"]] * 4]
