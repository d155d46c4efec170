"""The demo: camera, node and probe together, on a real graph; by task."""

import json
import subprocess

import cv2
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from seg_ros.cli import demo
from seg_ros.cli.demo import DEFAULTS
from seg_ros.models import TASKS


def test_defaults_are_there_for_each_task():
    assert set(DEFAULTS) == set(TASKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "/nowhere.mp4"], "/nowhere.mp4: expected a video file or a webcam's number"),
        (["--images", "/nowhere"], "/nowhere: expected a folder of pictures"),
        (["--weights", "/nowhere"], "weights '/nowhere': no such file"),
        (["--true-labels"], "true labels are to be lifted: give DEPTH or LIDAR"),
        (["--model", "unet_resnet"], "no weights of unet_resnet are shipped; .* another model: unet, fcn, mask_rcnn$"),
    ],
)
def test_what_cannot_be_shown_is_said_before_anything_starts(monkeypatch, arguments, message):
    monkeypatch.setattr(demo, "_start", lambda *_: pytest.fail("started"))
    with pytest.raises(SystemExit, match=rf"^demo: {message}"):
        demo.main(arguments)


@pytest.mark.parametrize(
    ("arguments", "weights", "least"),
    [
        ([], "unet_street", {"min-miou": 0.75, "min-ap50": 0.4}),
        (["--model", "fcn"], "fcn_camvid", {"min-miou": 0.2, "min-ap50": 0.2}),
        (["--model", "fcn", "--topic", "/eye"], "fcn_camvid", {"min-miou": 0.5, "min-ap50": 0.2}),
        (["--model", "mask_rcnn", "--topic", "/eye"], "mask_rcnn_street", {"min-miou": 0.2, "min-ap50": 0.2}),
    ],
)
def test_a_model_is_shown_with_weights_that_exist(monkeypatch, arguments, weights, least):
    started = {}

    def start(name, *words):
        started[name] = words
        return subprocess.Popen(["true"])

    monkeypatch.setattr(demo, "_start", start)
    with pytest.raises(SystemExit, match=r"^0$"):
        demo.main(arguments)
    words = dict(zip(started["probe"][::2], started["probe"][1::2], strict=False))
    assert words["--weights"] == weights
    assert {name: float(words[f"--{name}"]) for name in least} == least
    assert f"weights:={weights!r}" in started["node"]


@pytest.mark.alone  # three processes have three seconds
@pytest.mark.parametrize(
    ("weights", "threshold", "score", "classes", "status"),
    [
        ("small_weights", "--min-miou=0.0", "miou", ("iou", {"road", "car"}), 0),
        ("small_instance_weights", "--min-ap50=1.0", "mask_ap50", ("ap", {"car", "pedestrian", "bicyclist"}), 1),
    ],
)
def test_it_judges(run, request, tmp_path, weights, threshold, score, classes, status):
    weights = request.getfixturevalue(weights)
    process = run(
        "demo", "--weights", weights, "--engine", "eager", "--seconds", 3, threshold,
        stdout=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    lines = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == status
    figures = json.loads(lines[-1])
    assert {"frames_in", "labels_out", "dropped", "fps", "age_p50_ms", "age_p99_ms"} <= figures.keys()
    assert figures["labels_out"] > 5
    assert figures["engine"] == "eager"
    assert 0 <= figures[score] < 1
    name, expected = classes
    assert figures[name].keys() >= expected
    assert cv2.imread(str(tmp_path / "demo/segmentation.png")) is not None
    assert any("FAILED: mask AP50" in line for line in lines) is bool(status)


@pytest.mark.alone  # three processes have three seconds
def test_lifting_alone_is_judged_with_true_labels(run, tmp_path):
    process = run("demo", "--depth", "--true-labels", "--seconds", 3, stdout=subprocess.PIPE, cwd=tmp_path)
    figures = json.loads(process.communicate(timeout=120)[0].splitlines()[-1])
    assert process.returncode == 0
    assert figures["miou"] == figures["point_accuracy"] == 1
    assert figures["box3d_centre_m"] < 0.15


def test_it_ends_when_the_node_cannot_configure(run, tmp_path, small_weights):
    process = run(
        "demo", "--weights", small_weights, "--model", "fcn", "--seconds", 3,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "configure failed" in out
    assert "no label came" in out
