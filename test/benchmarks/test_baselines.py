"""torchvision's networks as baselines, and the machine's roofs."""

import subprocess
import sys

import pytest
import torch

from benchmarks.baselines import import_torchvision, torchvision_twin
from benchmarks.roofs import Roofs, measure_roofs, traffic
from seg_ros.cli.common import Subject


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


def test_networks_that_torchvision_does_not_have_have_no_twin(small_weights):
    assert torchvision_twin(Subject.shipped(str(small_weights)).graph, (64, 96)) is None
    small = Subject.untrained("mask_rcnn", ["things=3", "depth=18", "width=0.1", "channels=16"])
    assert torchvision_twin(small.graph, (64, 96)) is None


def test_importing_the_baselines_registers_no_operators():
    script = "import benchmarks.baselines as b; assert not b._stand_ins; import torch; torch.ops.torchvision.nms"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "has no attribute 'nms'" in done.stderr


def test_roofs_are_positive_and_the_larger_time_counts():
    roofs = measure_roofs("cpu", ["fp32"], 0.01)
    assert roofs.multiply["fp32"] > 0
    assert roofs.memory > 0
    known = Roofs({"fp32": 100.0}, 10.0)
    assert known.milliseconds("fp32", gflop=1.0, megabytes=1.0) == pytest.approx(10.0)
    assert known.milliseconds("fp32", gflop=0.001, megabytes=50.0) == pytest.approx(5.0)
    assert str(known) == "fp32 100 GFLOP/s, memory 10 GB/s"


def test_the_least_traffic_is_weights_pixels_and_outputs(small_weights):
    graph = Subject.shipped(str(small_weights)).graph
    weights = sum(p.numel() for p in graph.parameters())
    assert traffic(graph, (1, 64, 96), "fp32") == pytest.approx((4 * weights + 64 * 96 * 5) / 1e6)
    assert traffic(graph, (2, 64, 96), "bf16") == pytest.approx((2 * weights + 2 * 64 * 96 * 5) / 1e6)
