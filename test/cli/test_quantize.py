"""Quantising as a user does, and what is wrong with weights, data or place."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest
import torch

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.cli import quantize
from seg_ros.segmenter import Segmenter
from seg_ros.training.datasets import render_street

needs_openvino = pytest.mark.skipif(not find_spec("openvino"), reason="needs openvino")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures of the street at 64x96: eight to observe, two to score."""
    root = tmp_path_factory.mktemp("data")
    render_street(root / "train", range(2), 4, (64, 96))
    render_street(root / "val", range(20000, 20001), 2, (64, 96))
    (root / "val/classes.json").rename(root / "classes.json")
    return root


def run(source, data, output):
    quantize.main(["--weights", str(source), "--data", str(data), "--output", str(output)])


@needs_openvino
def test_int8_comes_beside_weights_that_stay_as_they_are(small_weights, data, tmp_path, capsys):
    output = tmp_path / "int8.safetensors"
    run(small_weights, data, output)
    lines = capsys.readouterr().out.splitlines()
    score = json.loads(lines[-1])
    assert score.keys() == {"miou", "miou_int8"}
    assert any(line.startswith("miou: ") and "in int8" in line for line in lines)
    (plain, before), (manifest, after) = weights.load(small_weights), weights.load(output)
    assert manifest.ranges
    assert manifest.int8_loss <= 0.5
    assert manifest.score["miou_int8"] == score["miou_int8"]
    assert plain.int8_loss is None
    assert all(torch.equal(before[name], after[name]) and before[name].dtype == after[name].dtype for name in before)


def test_what_costs_too_much_is_not_written(small_weights, data, tmp_path, monkeypatch):
    def all_sky(pixels):
        return torch.zeros(pixels.shape[:3], dtype=torch.uint8), torch.zeros(pixels.shape[:3], dtype=torch.uint8)

    monkeypatch.setattr("seg_ros.engines.openvino.versions", dict)
    monkeypatch.setattr("seg_ros.quantization.on_engine", lambda *_: all_sky)
    shutil.copytree(data, tmp_path / "data")
    float32 = Segmenter.open(small_weights, "eager")
    for label in (tmp_path / "data/val/labels").iterdir():  # what the network says is the truth: float32 has 100 %
        cv2.imwrite(str(label), float32(cv2.imread(str(tmp_path / "data/val/images" / f"{label.stem}.jpg"))).label)
    with pytest.raises(
        SystemExit, match=r"^quantize: .*expected INT8 to cost at most 0\.5 points, and it costs [1-9]\d"
    ):
        run(small_weights, tmp_path / "data", tmp_path / "int8.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def few(root, output):
    for picture in sorted((root / "train/images").iterdir())[3:]:
        picture.unlink()


def unlabelled(root, output):
    for label in (root / "val/labels").iterdir():
        label.unlink()


def of_others(root, output):
    classes = CAMVID.to_dict() | {"names": ["cat", *CAMVID.names[1:]]}
    (root / "classes.json").write_text(json.dumps(classes))


def damaged(root, output):
    picture = next((root / "train/images").iterdir())
    picture.write_bytes(picture.read_bytes()[:500])


WRONG = {
    "too few pictures": (few, r"train: expected at least 8 pictures to observe ranges on, got 3; add pictures"),
    "no labels": (unlabelled, r"val/labels/.*\.png: no label image \(2 of 2 are missing\)"),
    "other classes": (
        of_others,
        r"classes\.json: expected the classes of the weights, 11 \(sky, .*\), got 11 \(cat, building, .*",
    ),
    "a picture cut off": (damaged, r"train/images/.*\.jpg: does not decode: .*; it is cut off or damaged"),
    "no such folder": (lambda root, output: (root / "train").rename(root / "t"), r"train/images: no pictures"),
    "a folder as output": (lambda root, output: output.mkdir(), r"expected the name of a file, got a folder"),
    "no folder for it": (lambda root, output: output.parent.rmdir(), r"expected a file in a folder that exists"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_and_leaves_nothing(small_weights, data, tmp_path, monkeypatch, name):
    monkeypatch.setattr("seg_ros.engines.openvino.versions", dict)
    root, output = tmp_path / "data", tmp_path / "out/int8.safetensors"
    output.parent.mkdir()
    shutil.copytree(data, root)
    spoil, message = WRONG[name]
    spoil(root, output)
    with pytest.raises(SystemExit, match=rf"^quantize: .*{message}") as caught:
        run(small_weights, root, output)
    assert "\n" not in str(caught.value)
    assert not output.is_file()
    assert [path for path in Path(tmp_path).rglob("*.partial")] == []
