"""Training and evaluation as a user runs them, on a few small pictures."""

import json
import pickle
import shutil

import cv2
import numpy as np
import pytest

from seg_ros import weights
from seg_ros.cli import evaluate, train


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two classes that a network learns in seconds: bright is 1, dark is 0."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part, n in (("train", 16), ("val", 4)):
        for folder in ("images", "labels"):
            (root / part / folder).mkdir(parents=True)
        for i in range(n):
            label = (cv2.resize(rng.random((4, 5)), (80, 64), interpolation=cv2.INTER_CUBIC) > 0.5).astype(np.uint8)
            noise = rng.integers(0, 60, (64, 80, 3))
            image = (label[..., None] * 150 + noise).astype(np.uint8)
            cv2.imwrite(str(root / part / "images" / f"{i}.jpg"), image)
            cv2.imwrite(str(root / part / "labels" / f"{i}.png"), label)
    (root / "classes.json").write_text(json.dumps({"names": ["dark", "bright"], "colors": [[0, 0, 0], [255, 255, 0]]}))
    return root


def options(data, run, epochs, *more):
    return [
        *("--data", str(data), "--run", str(run), "--epochs", str(epochs)),
        *("--arguments", "width=4", "depth=2", "stem=true"),
        *("--batch", "4", "--crop", "48", "64", "--input-size", "64", "80", "--workers", "0"),
        *more,
    ]


def test_trains_evaluates_and_resumes(data, tmp_path, capsys):
    run, output = tmp_path / "run", tmp_path / "mine.safetensors"
    train.main(options(data, run, 8, "--output", str(output)))
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["miou"] > 0.75
    assert figures["iou"].keys() == {"dark", "bright"}
    assert 0 < figures["pixel_accuracy"] <= 1
    for picture in ("confusion.png", "contact_sheet.png"):
        assert cv2.imread(str(run / picture)) is not None
    manifest, _ = weights.load(output)
    assert manifest.input_size == (64, 80)
    assert manifest.score["val_miou"] == pytest.approx(figures["miou"], abs=0.01)

    # Another four epochs go on from the eighth.
    train.main(options(data, run, 12, "--resume"))
    out = capsys.readouterr().out
    assert "epoch 9:" in out
    assert "epoch 8:" not in out

    evaluate.main(["--weights", str(output), "--data", str(data / "val"), "--output", str(tmp_path)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == figures


def test_starts_from_weights(data, tmp_path, capsys):
    train.main(options(data, tmp_path / "a", 6, "--output", str(tmp_path / "a.safetensors")))
    capsys.readouterr()
    start = ("--start", str(tmp_path / "a.safetensors"), "--lr", "1e-9")
    train.main(options(data, tmp_path / "b", 1, *start))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["miou"] > 0.7


def test_resume_without_a_run_says_so(data, tmp_path):
    with pytest.raises(SystemExit, match=r"^train: .*none/checkpoint.pt: no run to resume there; give --run"):
        train.main(options(data, tmp_path / "none", 1, "--resume"))


def test_resume_from_a_damaged_checkpoint_says_so(data, tmp_path):
    for content in (b"", b"nonsense", pickle.dumps([1], protocol=2)):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(SystemExit, match=r"^train: .*checkpoint.pt: expected a checkpoint of a run, got"):
            train.main(options(data, tmp_path, 1, "--resume"))


def copied(data, root, change):
    """The data set with each label image changed."""
    shutil.copytree(data, root)
    for file in root.glob("*/labels/*.png"):
        cv2.imwrite(str(file), change(cv2.imread(str(file), cv2.IMREAD_UNCHANGED)))
    return root


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda label: 255 * label, r"masks of 0, 255 alone, .* write 1 \(bright\) where they have 255"),
        (lambda label: label + 100, r"class ids 0\.\.1, got no pixel of any class, only ids 100, 101"),
        (lambda label: 0 * label, r"pixels of every class to learn from, got none of 1 \(bright\), only ids 0"),
    ],
)
def test_masks_that_teach_nothing_are_refused(data, tmp_path, change, message):
    root = copied(data, tmp_path / "data", change)
    with pytest.raises(SystemExit, match=rf"^train: {root}/train: expected .*{message}"):
        train.main(options(root, tmp_path / "run", 1))


def test_a_picture_that_is_cut_off_stops_the_training(data, tmp_path, capsys):
    root = copied(data, tmp_path / "data", lambda label: label)
    picture = root / "train/images/0.jpg"
    picture.write_bytes(picture.read_bytes()[:-500])
    with pytest.raises(SystemExit, match=rf"^train: {picture}: does not decode: .*end of JPEG file; it is cut off"):
        train.main(options(root, tmp_path / "run", 1))
    out = capsys.readouterr().out.split()
    assert out[out.index("bright") - 1] == "1"  # the shares came first


def test_missing_data_says_so(tmp_path):
    with pytest.raises(SystemExit, match=r"train: .*classes.json: no classes file"):
        train.main(options(tmp_path, tmp_path / "run", 1))


def test_starts_from_weights_of_other_classes(data, tmp_path, capsys, small_weights):
    arguments = ["--arguments", "width=4", "depth=2", "stem=true", "--start", str(small_weights)]
    train.main([*options(data, tmp_path, 1), *arguments])
    assert f"starts from {small_weights}; new: head.bias, head.weight" in capsys.readouterr().out
