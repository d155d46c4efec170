"""The benchmark's table and JSON, in a source tree and without one."""

import dataclasses
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import seg_ros
from benchmarks.roofs import Roofs, measure_roofs, traffic
from seg_ros.cli import benchmark, latency
from seg_ros.cli.common import Subject
from seg_ros.cli.plain import Plain
from seg_ros.models.precision import DTYPES

KEYS = {"model", "engine", "device", "precision", "batch", "height", "width", "p50_ms", "p99_ms", "fps", "peak_mb",
        "gflop", "roof_share", "vs_eager", "vs_torchvision"}  # fmt: skip


@pytest.fixture(autouse=True)
def process(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def roofs(monkeypatch):
    """Peaks of a machine, without measuring it."""
    known = Roofs({precision: 100.0 for precision in DTYPES}, 10.0)
    monkeypatch.setattr("benchmarks.roofs.measure_roofs", lambda *_: known)
    return known


@pytest.fixture(scope="module")
def subject(small_weights):
    return Subject.shipped(str(small_weights))


def test_a_row_an_engine_beside_plain_pytorch(small_weights, capsys, monkeypatch, roofs):
    monkeypatch.setattr(latency, "case_megabytes", lambda case: 123.4)
    benchmark.main([
        "--weights", str(small_weights), "--engine", "eager", "--precision", "fp32", "--batch", "1", "2",
        "--seconds", "0.01", "--device", "cpu",
    ])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    table = json.loads(lines[-1])
    assert lines[0] == f"this machine: {roofs}"
    assert [(row["engine"], row["batch"]) for row in table] == [
        ("pytorch", 1), ("eager", 1), ("pytorch", 2), ("eager", 2)
    ]  # fmt: skip
    assert sum(line.startswith("| ") for line in lines) == len(table) + 1
    assert set(latency.COLUMNS) == KEYS
    for row in table:
        assert set(row) == KEYS
        assert (row["height"], row["width"], row["peak_mb"]) == (64, 96, 123)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["gflop"] > 0
        assert row["roof_share"] > 0
        assert row["vs_torchvision"] is None  # it has no such network
    assert table[0]["vs_eager"] == table[2]["vs_eager"] == 1.0


def test_int8_has_rows_where_the_weights_have_it(subject, monkeypatch):
    monkeypatch.setattr(latency.importlib.util, "find_spec", lambda name: name == "openvino")
    quantised = dataclasses.replace(subject, int8_loss=0.1)
    assert latency._precisions("cpu", quantised) == [*latency._precisions("cpu", subject), "int8"]
    assert "int8" not in latency._precisions("cuda", quantised)


@pytest.mark.skipif(not find_spec("openvino"), reason="needs openvino")
def test_the_roof_of_int8_is_its_own(subject):
    roofs = measure_roofs("cpu", ["int8"], 0.01)
    assert roofs.multiply["int8"] > 0
    bytes_of_weights = sum(p.numel() for p in subject.graph.parameters())
    less = traffic(subject.graph, (1, 64, 96), "fp32") - traffic(subject.graph, (1, 64, 96), "int8")
    assert less == pytest.approx(3 * bytes_of_weights / 1e6)


def test_figures_follow_from_the_times(subject, monkeypatch, roofs):
    plain, torchvision, engine = (
        latency.Case(subject, name, "cpu", "fp32", (2, 64, 96)) for name in ("pytorch", "torchvision", "eager")
    )
    times = {plain: [40.0] * 100, torchvision: [30.0] * 100, engine: [10.0] * 90 + [50.0] * 10}
    monkeypatch.setattr(latency, "measure", lambda *_: {case: np.array(ms) for case, ms in times.items()})
    monkeypatch.setattr(latency, "case_megabytes", lambda case: 1.0)
    monkeypatch.setattr(latency, "gflop", lambda *_: 0.0002)  # 2 us of this machine, less than the memory takes
    monkeypatch.setattr("benchmarks.roofs.traffic", lambda *_: 0.05)
    row = latency.rows(dict.fromkeys(times), roofs, 0.0)[-1]
    assert (row["p50_ms"], row["p99_ms"], row["fps"]) == (10.0, 50.0, 200.0)
    assert (row["vs_eager"], row["vs_torchvision"]) == (4.0, 3.0)
    assert row["roof_share"] == 0.0005  # a small network on a busy machine: no decimals are cut off
    assert latency.rows(dict.fromkeys(times), None, 0.0)[-1]["roof_share"] is None


def test_an_engine_that_is_not_there_has_no_row_but_a_reason(subject, capsys):
    case = latency.Case(subject, "tensorrt", "cpu", "fp32", (1, 64, 96))
    assert latency._opened([case]) == {}
    assert re.search("no row for tensorrt fp32: .*GPU", capsys.readouterr().out)


def test_the_memory_is_that_of_a_process_of_its_own(subject):
    assert 100 < latency.case_megabytes(latency.Case(subject, "pytorch", "cpu", "fp32", (1, 64, 96))) < 4000


def test_the_plain_baseline_computes_what_the_graph_says(subject):
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        for ours, theirs in zip(Plain(subject.graph)(pixels), subject.graph(pixels), strict=True):
            assert (ours.int() - theirs.int()).abs().float().mean() < 0.01


def test_calls_take_turns():
    order = []
    times = latency.measure({name: lambda name=name: order.append(name) for name in "ab"}, 0.0)
    assert order == ["a", "b"] + ["a", "a", "b", "b"] * 5
    assert [len(times[name]) for name in "ab"] == [10, 10]


def test_operations_grow_with_the_batch(subject):
    one = latency.gflop(subject.graph, (1, 64, 96))
    assert latency.gflop(subject.graph, (2, 64, 96)) == pytest.approx(2 * one)
    assert one > 0


def test_an_installation_has_no_source_tree(small_weights):
    script = f"""
import sys
sys.modules["benchmarks"] = None
from seg_ros.cli import benchmark, latency
latency.case_megabytes = lambda case: 1.0
benchmark.main({["--weights", str(small_weights), "--engine", "eager", "--precision", "fp32", "--seconds", "0.01"]})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "need a source tree" in lines[0]
    rows = json.loads(lines[-1])
    assert [row["engine"] for row in rows] == ["pytorch", "eager"]
    assert {(row["roof_share"], row["vs_torchvision"]) for row in rows} == {(None, None)}
    assert all(set(row) == KEYS and row["vs_eager"] > 0 and row["gflop"] > 0 for row in rows)


def test_another_package_of_that_name_is_no_source_tree(monkeypatch, tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/__init__.py").touch()
    for name in [name for name in sys.modules if name.partition(".")[0] == "benchmarks"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert latency.source_tree("roofs") is None
    sys.modules.pop("benchmarks", None)


def test_nothing_installed_imports_it_otherwise():
    imports = re.compile(r"^\s*(from|import) benchmarks\b", re.MULTILINE)
    files = Path(seg_ros.__file__).parent.rglob("*.py")
    assert [file for file in files if imports.search(file.read_text())] == []


def test_the_way_through_ros_has_another_command(capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--ros"])
    assert "python -m benchmarks.round_trip" in capsys.readouterr().err
