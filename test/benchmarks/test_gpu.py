"""The GPU check on the CPU: all of its way but the GPU's own part, and what it makes of what it finds."""

import json
import sys
import time

import pytest
import torch

from benchmarks import gpu, gpu_work
from benchmarks.gpu_networks import NAMES, R50, UNET
from benchmarks.roofs import Roofs


@pytest.fixture(autouse=True)
def process(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(gpu_work, "measure_roofs", lambda device, *_: Roofs({"fp32": 100.0, "bf16": 200.0}, 10.0))


def test_the_whole_way_on_the_cpu(tmp_path, capsys):
    options = ["--engine", "eager", "tensorrt"]  # the latter is not there
    gpu.main(["--device", "cpu", *options, "--output", str(tmp_path / "found"), "--seconds", "0.01"])
    lines = capsys.readouterr().out.splitlines()
    found = json.loads(lines[-1])
    assert json.loads((tmp_path / "found/gpu.json").read_text()) == found
    assert (tmp_path / "found/gpu.md").read_text().splitlines() == lines[:-1]
    assert found["faults"] == []
    assert "tensorrt" in found["missing"]
    assert any(line.startswith("- `tensorrt` is not there: tensorrt ") for line in lines)
    assert [row["model"] for row in found["agreement"]] == list(NAMES["cpu"])
    assert [(row["model"], row["engine"]) for row in found["speed"]] == [
        (name, engine) for name in NAMES["cpu"] for engine in ("pytorch", "eager")
    ]
    labels, objects = found["agreement"]
    assert labels["labels"] > 0.99
    assert objects["objects"] > 0
    assert objects["found"] == 1.0
    assert all(row["roof_share"] > 0 for row in found["speed"])
    assert {goal["met"] for goal in found["goals"]} == {None}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"labels": 0.5}, "labels 0.5, expected 0.97 or more"),
        ({"objects": 9, "found": 0.4, "box_iou": 0.95, "mask_iou": 0.95}, "found 0.4, expected 0.9 or more"),
        ({"labels": 1.0, "captured": False, "allocated": 0}, "no CUDA graph"),
        ({"labels": 1.0, "captured": True, "allocated": 512}, "takes memory for a frame, 512"),
        ({"error": "no compiler"}, "no compiler"),
        ({"labels": 1.0, "captured": True, "allocated": 0}, None),
    ],
)
def test_what_must_not_be_is_a_fault(row, fault):
    found = gpu.faults([{"model": "net", "engine": "fast"} | row], {"status": 0, "said": "5 passed"})
    assert len(found) == (fault is not None)
    assert all(f"net on fast: {fault}" in line or fault in line for line in found)


def test_tests_that_fail_are_a_fault():
    assert "1 failed" in gpu.faults([], {"status": 1, "said": "1 failed, 4 passed"})[0]


def test_goals_are_those_of_the_fastest_engine():
    rows = [
        {"model": UNET, "engine": "pytorch", "p50_ms": 0.1, "fps": 10000.0, "vs_eager": 1.0},  # not one of ours
        {"model": UNET, "engine": "eager", "p50_ms": 1.0, "fps": 1000.0, "vs_eager": 2.0},
        {"model": UNET, "engine": "inductor", "p50_ms": 0.5, "fps": 2000.0, "vs_eager": 4.0},
        {"model": R50, "engine": "inductor", "p50_ms": 8.0, "fps": 125.0, "vs_eager": 3.0, "vs_torchvision": None},
    ]
    assert [(goal["value"], goal["met"]) for goal in gpu.goals(rows)] == [
        (2000.0, True), (4.0, True), (8.0, False), (None, None)
    ]  # fmt: skip


def detections(boxes, ids):
    count = len(boxes)
    masks = torch.zeros(1, count, 28, 28)
    masks[..., :14] = 1.0
    return [torch.tensor([boxes]), torch.full((1, count), 0.9), torch.tensor([ids]), masks]


def test_objects_are_found_by_class_and_place():
    theirs = detections([[0.0, 0, 10, 10], [20.0, 20, 40, 40]], [1, 2])
    same = gpu_work.objects(detections([[20.0, 20, 40, 40], [0.0, 0, 10, 10]], [2, 1]), theirs)
    assert same == {"objects": 2, "found": 1.0, "box_iou": 1.0, "mask_iou": 1.0}
    half = gpu_work.objects(detections([[20.0, 20, 40, 40], [0.0, 0, 10, 10]], [2, 3]), theirs)
    assert half["found"] == 0.5
    moved = gpu_work.objects(detections([[20.0, 20, 40, 30], [0.0, 0, 10, 10]], [2, 1]), theirs)
    assert moved["box_iou"] == 0.75


def test_a_process_that_dies_costs_its_task(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    assert gpu.apart({"do": "peaks"}, time.monotonic() + 60) == {"error": "its process ended with status 1"}


def test_what_cannot_be_is_the_answer_of_its_task():
    task = {"do": "compare", "name": "small unet", "engine": "openvino", "device": "cuda"}
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    assert "PyTorch sees no GPU" in gpu_work.do(task)["error"]


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="PyTorch sees no NVIDIA GPU here"):
        gpu.main([])
