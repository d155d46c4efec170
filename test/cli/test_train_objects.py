"""Training and evaluation of networks that find objects, as a user runs them."""

import json

import cv2
import numpy as np
import pytest

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.cli import benchmark, evaluate, train
from test.conftest import SMALL_INSTANCE

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own, with numpy 2
BLOB = ((64, 96), (20, 10), (60, 50))
"""Size, corner and corner of the one object."""


def write_images(folder, size, start, end):
    label = np.full(size, 7, np.uint8)
    instance = np.zeros(size, np.uint16)
    label[start[1] : end[1], start[0] : end[0]] = 1
    instance[start[1] : end[1], start[0] : end[0]] = 300
    for name, pixels in (("labels", label), ("instances", instance)):
        (folder / name).mkdir()
        cv2.imwrite(str(folder / name / "a.png"), pixels)


def write_coco(folder, size, start, end):
    polygon = [*start, end[0], start[1], *end, start[0], end[1]]
    data = {
        "images": [{"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}],
        "categories": [{"id": 3, "name": "dent"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "segmentation": [polygon]}],
    }
    (folder / "annotations.json").write_text(json.dumps(data))


@pytest.fixture
def write(tmp_path):
    """Writes `data/train` and `data/val` of one picture each in the given layout, and `classes.json` beside them."""

    def write(layout, names=("scratch", "dent")):
        root = tmp_path / "data"
        for part in ("train", "val"):
            (root / part / "images").mkdir(parents=True)
            cv2.imwrite(str(root / part / "images/a.png"), np.full((*BLOB[0], 3), 90, np.uint8))
            layout(root / part, *BLOB)
        if names:
            classes = {"names": names, "colors": [[9, 9, 9]] * len(names), "things": [1]}
            (root / "classes.json").write_text(json.dumps(classes))
        return root

    return write


def options(data, run, *more):
    shape = [f"{k}={json.dumps(v)}" for k, v in SMALL_INSTANCE.items() if k != "things"]
    return [
        *("--data", str(data), "--run", str(run), "--model", "mask_rcnn", "--arguments", *shape, *more),
        *("--epochs", "1", "--batch", "1", "--crop", "64", "96", "--input-size", "64", "96", "--workers", "0"),
    ]


@pytest.mark.parametrize("layout", [write_images, write_coco])
def test_classes_file_beside_train_and_val(write, layout, tmp_path, capsys):
    train.main(options(write(layout), tmp_path / "run"))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ap"].keys() == {"dent"}
    manifest, _ = weights.load(tmp_path / "run/best.safetensors")
    assert manifest.classes.names == ("scratch", "dent")
    assert manifest.arguments["things"] == 1


def test_annotations_name_the_classes_without_a_file(write, tmp_path):
    train.main(options(write(write_coco, names=()), tmp_path / "run"))
    assert weights.load(tmp_path / "run/best.safetensors")[0].classes.names == ("dent",)


def test_a_classes_file_that_is_given_comes_first(write, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"names": ["x", "dent", "y"], "colors": [[1, 1, 1]] * 3, "things": [1]}))
    train.main([*options(write(write_coco), tmp_path / "run"), "--classes", str(other)])
    assert weights.load(tmp_path / "run/best.safetensors")[0].classes.names == ("x", "dent", "y")


def test_data_without_an_object_gives_figures_and_no_sheet(write, small_instance_weights, tmp_path, capsys):
    root = write(lambda folder, size, start, end: write_images(folder, size, start, start), CAMVID.names)
    arguments = ["--weights", str(small_instance_weights), "--data", str(root / "val"), "--output", str(tmp_path)]
    evaluate.main(arguments)
    out = capsys.readouterr().out.splitlines()
    assert json.loads(out[-1])["mask_ap"] == 0
    assert "no picture has an object to find: none is best or worst" in out
    assert not (tmp_path / "contact_sheet.png").exists()


def test_things_are_those_of_the_class_map(write, tmp_path):
    with pytest.raises(SystemExit, match=r"^train: expected things=1 as in the class map, got things=7; leave it out$"):
        train.main(options(write(write_images), tmp_path / "run", "things=7"))
    assert not (tmp_path / "run").exists()


def test_arguments_that_a_network_does_not_know(write, tmp_path):
    with pytest.raises(SystemExit, match=r"^train: mask_rcnn refuses the arguments .*keyword argument 'colour'$"):
        train.main(options(write(write_images), tmp_path / "run", "colour=7"))
    with pytest.raises(SystemExit, match=r"^benchmark: unet refuses the arguments .*keyword argument 'colour'$"):
        benchmark.main(["--model", "unet", "--arguments", "classes=2", "colour=7"])
    with pytest.raises(SystemExit, match=r"^benchmark: unet refuses the arguments .*missing .* 'classes'$"):
        benchmark.main(["--model", "unet"])


def test_what_a_reading_process_finds_wrong_is_one_line(write, tmp_path):
    data = write(write_coco)
    path = data / "train/annotations.json"
    path.write_text(path.read_text().replace("[[", "[").replace("]]", "]"))
    with pytest.raises(SystemExit) as error:
        train.main([*options(data, tmp_path / "run"), "--workers", "1"])
    assert str(error.value).startswith(f"train: {path}: a.png: expected a segmentation of polygons")
    assert "\n" not in str(error.value)


def test_label_networks_on_objects_of_other_classes_or_of_one(write, small_weights, tmp_path):
    data = write(write_coco, names=())
    with pytest.raises(SystemExit, match=r"^evaluate: .*annotations\.json: category 'dent' is no class"):
        evaluate.main(["--weights", str(small_weights), "--data", str(data / "val"), "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"^train: .*two classes or more, got 'dent' alone; write .*json"):
        train.main(["--data", str(data), "--run", str(tmp_path / "run")])
