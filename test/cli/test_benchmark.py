"""The benchmark's table, JSON, chart and baselines."""

import json

import cv2
import numpy as np
import pytest
import torch

from seg_ros.cli import benchmark
from benchmarks.baselines import Plain, import_torchvision, torchvision_twin
from benchmarks.chart import bar_chart
from seg_ros.cli.common import Subject
from benchmarks.roofs import Roofs, measure_roofs, work


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "benchmark"))


@pytest.fixture(scope="module")
def subject(small_weights):
    return Subject.shipped(str(small_weights))


def test_a_row_an_engine_beside_plain_pytorch(small_weights, capsys, tmp_path):
    chart = tmp_path / "chart.png"
    benchmark.main([
        "--weights", str(small_weights), "--engine", "inductor", "eager", "--precision", "fp32", "--batch", "1", "2",
        "--seconds", "0.1", "--chart", str(chart), "--device", "cpu",
    ])  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    table = json.loads(lines[-1])
    assert lines[0].startswith("this machine: fp32 ")
    assert [(row["engine"], row["batch"]) for row in table] == [
        ("pytorch", 1), ("inductor", 1), ("eager", 1), ("pytorch", 2), ("inductor", 2), ("eager", 2)
    ]  # fmt: skip
    assert sum(line.startswith("| ") for line in lines) == len(table) + 1
    for row in table:
        assert set(row) == set(benchmark.COLUMNS)
        assert (row["height"], row["width"]) == (64, 96)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["fps"] == pytest.approx(1e3 * row["batch"] / row["p50_ms"], rel=0.05)
        assert row["gflop"] > 0
        assert 0 < row["roof_share"] < 1.2
        assert 100 < row["peak_mb"] < 4000
        assert row["vs_torchvision"] is None  # it has no such network
    assert table[0]["vs_eager"] == table[3]["vs_eager"] == 1.0
    assert cv2.imread(str(chart)).shape[0] > 26 * len(table)


def test_an_engine_that_is_not_there_has_no_row_but_a_reason(small_weights, capsys):
    benchmark.main(["--weights", str(small_weights), "--engine", "tensorrt", "--seconds", "0.01", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert [row["engine"] for row in json.loads(lines[-1])] == ["pytorch"]
    assert any("no row for tensorrt" in line and "GPU" in line for line in lines)


def test_the_plain_baseline_computes_what_the_graph_says(subject):
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    with torch.no_grad():
        for ours, theirs in zip(Plain(subject.graph)(pixels), subject.graph(pixels), strict=True):
            assert (ours.int() - theirs.int()).abs().float().mean() < 0.01


def test_torchvision_runs_as_the_twin_of_its_own_network():
    if import_torchvision() is None:
        pytest.skip("torchvision is not installed")
    fcn = Subject.untrained("fcn_torchvision", ["classes=3", "depth=50"])
    twin = torchvision_twin(fcn.graph, (64, 96))
    with torch.no_grad():
        label, confidence = twin(torch.zeros(1, 64, 96, 3, dtype=torch.uint8))
    assert label.shape == confidence.shape == (1, 64, 96)
    ours = sum(p.numel() for name, p in fcn.graph.model.named_parameters() if "aux" not in name)
    assert sum(p.numel() for name, p in twin.model.named_parameters() if "aux" not in name) == ours


def test_networks_that_torchvision_does_not_have_have_no_twin(subject):
    assert torchvision_twin(subject.graph, (64, 96)) is None
    small = Subject.untrained("mask_rcnn", ["things=3", "depth=18", "width=0.1", "channels=16"])
    assert torchvision_twin(small.graph, (64, 96)) is None


def test_calls_take_turns():
    order = []
    times = benchmark.measure({name: lambda name=name: order.append(name) for name in "ab"}, 0.0)
    assert order == ["a", "b"] + ["a", "a", "b", "b"] * 5
    assert [len(times[name]) for name in "ab"] == [10, 10]


def test_roofs_are_positive_and_the_larger_time_counts():
    roofs = measure_roofs("cpu", ["fp32"], 0.05)
    assert roofs.multiply["fp32"] > 1
    assert roofs.memory > 0.5
    known = Roofs({"fp32": 100.0}, 10.0)
    assert known.milliseconds("fp32", gflop=1.0, megabytes=1.0) == pytest.approx(10.0)
    assert known.milliseconds("fp32", gflop=0.001, megabytes=50.0) == pytest.approx(5.0)
    assert str(known) == "fp32 100 GFLOP/s, memory 10 GB/s"


def test_work_counts_operations_and_least_traffic(subject):
    gflop, megabytes = work(subject.graph, (1, 64, 96), "fp32")
    weights = sum(p.numel() * 4 for p in subject.graph.parameters())
    assert megabytes == pytest.approx((weights + 64 * 96 * 5) / 1e6)
    assert work(subject.graph, (2, 64, 96), "bf16")[0] == pytest.approx(2 * gflop)


def test_bars_are_as_long_as_times():
    row = {"model": "m", "engine": "pytorch", "precision": "fp32", "batch": 1, "height": 1, "width": 1, "vs_eager": 1.0}
    image = bar_chart([row | {"p50_ms": 40.0}, row | {"p50_ms": 10.0}])
    lengths = [(np.abs(image[line * 26 + 5].astype(int) - 150).sum(axis=1) == 0).sum() for line in (1, 2)]
    assert lengths[0] == pytest.approx(4 * lengths[1], abs=4)
