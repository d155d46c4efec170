"""Compiling ahead of time fills the cache that the node reads."""

import json
from pathlib import Path

import pytest
import torch

from seg_ros.cli import compile as cli
from seg_ros.segmenter import Segmenter


def run(capsys, *arguments):
    cli.main([str(a) for a in arguments])
    lines = capsys.readouterr().out.splitlines()
    return lines[:-1], json.loads(lines[-1])


@pytest.mark.compiles
def test_the_second_time_nothing_is_compiled(small_weights, engine_cache, capsys, planted):
    _folder, ran = planted
    arguments = ("--weights", small_weights, "--engine", "inductor", "--precision", "fp32", "--cache-dir", engine_cache)
    lines, [row] = run(capsys, *arguments)
    assert row["labels"] > 0.98
    assert (row["engine"], row["batch"], row["height"], row["width"]) == ("inductor", 1, 64, 96)
    assert ("compiled in" in lines[0]) == (row["seconds"] > 0)  # another test may have been first
    assert "% of the labels as in plain float32" in lines[0]
    lines, [again] = run(capsys, *arguments)
    assert again == row | {"seconds": 0.0}
    assert "nothing had to be compiled" in lines[0]
    # What the node does at configure finds the same artefact.
    segmenter = Segmenter.open(small_weights, "inductor", cache_dir=engine_cache, precision="fp32")
    assert segmenter.runner.engine.seconds == 0.0
    assert not ran.exists()


def test_batches_sizes_and_untrained_networks(tmp_path, capsys):
    _, [row] = run(
        capsys, "--model", "fcn", "--arguments", "classes=3", "width=0.1", "--engine", "eager", "--precision", "fp32",
        "--batch", 3, "--size", 33, 48, "--cache-dir", tmp_path,
    )  # fmt: skip
    assert (row["batch"], row["height"], row["width"], row["precision"]) == (3, 33, 48, "fp32")
    assert row["labels"] == 1.0


def test_without_a_gpu_tensorrt_is_compiled_and_not_run(small_weights, tmp_path, capsys, rtx, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    lines, [row] = run(capsys, "--weights", small_weights, "--engine", "tensorrt", "--cache-dir", tmp_path)
    assert Path(row["path"]).stat().st_size > 0
    assert (row["engine"], row["device"], row["precision"]) == ("tensorrt", "cuda", "fp16")
    assert f"not run, without a GPU; {row['path']}" in lines[0]
    assert "labels" not in row  # nothing was compared


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "nothing.safetensors"], "nothing.safetensors"),
        (["--model", "fcn", "--arguments", "classes=3", "--engine", "tensorrt", "--device", "cpu"], "NVIDIA GPU"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, message):
    with pytest.raises(SystemExit, match=message) as caught:
        cli.main(arguments)
    assert "\n" not in str(caught.value)
