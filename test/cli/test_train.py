"""Training and evaluation as a user runs them, on a few small pictures."""

import json
import pickle
import re
import shutil

import cv2
import numpy as np
import pytest

from seg_ros import weights
from seg_ros.classes import CAMVID, ClassMap
from seg_ros.cli import evaluate, train
from seg_ros.models import MODELS
from seg_ros.training.start import Start


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


def test_trains_evaluates_resumes_and_starts_from_weights(data, tmp_path, capsys):
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

    # Another two epochs go on from the eighth.
    train.main(options(data, run, 10, "--resume"))
    out = capsys.readouterr().out
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("epoch")] == [
        f"epoch {i}/10" for i in range(9, 11)
    ]
    assert re.search(r"epoch 9/10: loss \d\.\d+, val miou 0\.\d+ \(best miou 0\.\d+\), \d+:\d\d left", out)

    evaluate.main(["--weights", str(output), "--data", str(data / "val"), "--output", str(tmp_path)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == figures

    train.main(options(data, tmp_path / "other", 1, "--start", str(output), "--lr", "1e-9"))
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
        (
            lambda label: np.where(np.arange(80) < 50, 7, label).astype(np.uint8),
            r"class ids 0\.\.1, got others in 6\d % of the pixels, such as 7; name them in the cl",
        ),
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
    with pytest.raises(SystemExit, match=r"^train: /nowhere: no such folder$"):
        train.main(options("/nowhere", tmp_path / "run", 1))


def test_the_suggested_classes_file_is_one(data, tmp_path):
    root = copied(data, tmp_path / "data", lambda label: label)
    file = root / "classes.json"
    file.unlink()
    with pytest.raises(SystemExit, match=rf"^train: {file}: no classes file; write one such as {{") as error:
        train.main(options(root, tmp_path / "run", 1))
    suggested = re.search(r"{.*}", str(error.value)).group()
    file.write_text(suggested)
    assert ClassMap.read(file).names == ("other", "road")
    file.write_text(suggested.replace('"', "'"))
    with pytest.raises(SystemExit, match=rf"^train: {file}: "):
        train.main(options(root, tmp_path / "run", 1))


def test_one_class_alone_is_refused(data, tmp_path):
    root = copied(data, tmp_path / "data", lambda label: label)
    (root / "classes.json").write_text(json.dumps({"names": ["bright"], "colors": [[9, 9, 9]]}))
    with pytest.raises(SystemExit, match=rf"^train: {root}/classes.json: expected two classes or more, got 'bright'"):
        train.main(options(root, tmp_path / "run", 1))


def test_a_label_image_of_another_size_is_found_before_training(data, tmp_path, capsys):
    root = copied(data, tmp_path / "data", lambda label: label)
    file = root / "val/labels/2.png"
    cv2.imwrite(str(file), cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[:32])
    with pytest.raises(SystemExit, match=rf"^train: {file}: expected a label image of 64x80 px .* got 32x80$"):
        train.main(options(root, tmp_path / "run", 1))
    assert "epoch" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--output", "none/a.safetensors", r"none/a.safetensors: expected a file in a folder that exists"),
        ("--output", "folder.safetensors", r"folder.safetensors: expected the name of a file, got a folder"),
        ("--run", "file/run", r"file/run: expected a folder, got the file"),
        ("--run", "earlier", r"earlier: expected a folder for a new run, got that of an earlier one; go on with --res"),
    ],
)
def test_where_nothing_can_be_written_is_found_before_training(data, tmp_path, capsys, option, value, message):
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier/checkpoint.pt").touch()
    with pytest.raises(SystemExit, match=rf"^train: {tmp_path}/{message}"):
        train.main(options(data, tmp_path / "run", 1, option, str(tmp_path / value)))
    assert not capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--output", "mine.pth", "expected a name that ends in .safetensors, got 'mine.pth'"),
        ("--epochs", "0", "expected a whole number from 1 on, got '0'"),
        ("--batch", "two", "expected a whole number from 1 on, got 'two'"),
        ("--lr", "nan", "expected a number above 0, got 'nan'"),
        ("--workers", "-1", "expected a whole number from 0 on, got '-1'"),
    ],
)
def test_numbers_without_a_sense_are_refused(data, tmp_path, capsys, option, value, message):
    with pytest.raises(SystemExit):
        train.main(options(data, tmp_path / "run", 1, option, value))
    assert f"train: error: argument {option}: {message}" in capsys.readouterr().err


def test_the_help_has_every_default(capsys):
    with pytest.raises(SystemExit):
        train.main(["--help"])
    text = " ".join(capsys.readouterr().out.partition("options:")[2].split())
    described = re.split(r" (?=--[a-z-]+ [A-Z{])", text)
    flags = {"--data", "--run"}  # that must be given
    without = [part.split()[0] for part in described if "(default: " not in part]
    assert set(without) <= flags | {"-h,"}
    assert "of a training crop (default: 320 416)" in text


@pytest.mark.parametrize(
    ("arguments", "gpu", "chosen"),
    [
        (["--model", "unet"], False, {"width": 16, "depth": 4, "stem": True}),
        ([], True, {}),
        (["--model", "unet", "--arguments", "width=8"], False, {"width": 8}),
        (["--start", "START"], True, {"width": 4, "depth": 2, "stem": True}),
        (["--model", "fcn", "--start", "START"], False, {"depth": 18, "width": 0.5, "finest": 4}),
    ],
)
def test_a_network_that_fits_the_machine(small_weights, arguments, gpu, chosen):
    arguments = [str(small_weights) if a == "START" else a for a in arguments]
    args = train._parser().parse_args(["--data", "mine", "--run", "run", *arguments])
    start = Start.read(args.start) if args.start else None
    assert train._network(args, train._architecture(args, start), start, gpu)[0] == chosen


@pytest.mark.parametrize("name", MODELS)
def test_light_networks_are_light(name):
    network = MODELS[name]
    count = next(iter(network.count(CAMVID)))
    light, full = (
        sum(p.numel() for p in network.build(**{count: 2} | arguments).parameters())
        for arguments in (network.light, {})
    )
    assert light < full / 2 if network.light else light == full


def test_weights_of_other_classes_are_not_scored(data, small_weights, tmp_path):
    names = r"11 \(sky, building, pole, road, pavement, \.\.\.\), got 2 \(dark, bright\)"
    with pytest.raises(SystemExit, match=rf"^evaluate: {data}/classes.json: expected the classes of .*, {names}; take"):
        evaluate.main(["--weights", str(small_weights), "--data", str(data / "val"), "--output", str(tmp_path)])
    shutil.copytree(data / "val", tmp_path / "val")
    alone = ["--weights", str(small_weights), "--data", str(tmp_path / "val"), "--output", str(tmp_path)]
    with pytest.raises(SystemExit, match=rf"^evaluate: {tmp_path}/val: .* only the ids 0, 1 of .* name it: --classes"):
        evaluate.main(alone)
    with pytest.raises(SystemExit, match=rf"^evaluate: {data}/classes.json: expected the classes of .*, {names}; take"):
        evaluate.main([*alone, "--classes", str(data / "classes.json")])
    with pytest.raises(SystemExit, match=rf"^evaluate: {data}: .*; did you mean {data}/train or {data}/val\?"):
        evaluate.main(["--weights", str(small_weights), "--data", str(data), "--output", str(tmp_path)])


def test_starts_from_weights_of_other_classes(data, tmp_path, capsys, small_weights):
    arguments = ["--arguments", "width=4", "depth=2", "stem=true", "--start", str(small_weights)]
    train.main([*options(data, tmp_path, 1), *arguments])
    assert f"starts from {small_weights}; new: head.bias, head.weight" in capsys.readouterr().out
