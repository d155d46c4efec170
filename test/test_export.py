"""An exported file says what its numbers mean, and is whole or not there."""

import hashlib
import json
import resource

import pytest

from seg_ros.classes import CAMVID
from seg_ros.export import export

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")


def test_the_file_describes_itself(small_weights, tmp_path):
    path = tmp_path / "small.onnx"
    export(small_weights, path, size=(32, 64), batch=2)
    model = onnx.load(path)
    onnx.checker.check_model(model)
    values = {entry.key: entry.value for entry in model.metadata_props}
    assert (values["architecture"], values["task"], values["precision"]) == ("unet", "semantic", "fp32")
    assert values["sha256"] == hashlib.sha256(small_weights.read_bytes()).hexdigest()
    assert (values["licence"], values["dataset"]) == ("test", "")
    read = {key: json.loads(values[key]) for key in ("classes", "colors", "things", "mean", "std", "batch")}
    assert read["classes"] == list(CAMVID.names)
    assert read["colors"] == [list(color) for color in CAMVID.colors]
    assert read["things"] == sorted(CAMVID.things)
    assert (read["mean"], read["std"], read["batch"]) == ([0.5] * 3, [0.25] * 3, 2)
    (taken,) = model.graph.input
    assert [side.dim_value for side in taken.type.tensor_type.shape.dim] == [2, 32, 64, 3]
    assert b"seg_ros/models" not in path.read_bytes()  # no paths of the machine that wrote it
    assert [file.name for file in tmp_path.iterdir()] == ["small.onnx"]


def full_disk(folder):
    """A path at which one kilobyte fits."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    return folder / "large.onnx"


@pytest.fixture
def unlimited():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda folder: folder, "expected the name of a file, got a folder"),
        (lambda folder: folder / "none" / "w.onnx", "expected a file in a folder that exists"),
        (lambda folder: folder / ("w" * 300), "File name too long"),
        (full_disk, "File too large"),
    ],
    ids=["a folder", "no folder", "a long name", "a full disk"],
)
def test_a_path_that_cannot_be_written_leaves_nothing_behind(small_weights, tmp_path, place, message):
    with pytest.raises(OSError, match=message):
        export(small_weights, place(tmp_path))
    assert not list(tmp_path.iterdir())


def test_the_file_that_was_there_stays_if_another_cannot_be_written(small_weights, tmp_path, monkeypatch):
    path = tmp_path / "w.onnx"
    path.write_text("before")
    monkeypatch.setattr("seg_ros.export.to_onnx", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(small_weights, path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]
