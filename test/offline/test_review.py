"""What `label` writes for people and for other tools: annotations, the report, and the frames to be labelled."""

import html.parser
import json
import shutil
import urllib.parse

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from seg_ros.classes import CAMVID
from seg_ros.cli import train
from seg_ros.offline.coco import Coco
from seg_ros.offline.label_studio import LabelStudio, encode
from seg_ros.offline.labels import Shot
from seg_ros.offline.unsure import Unsure, difference_hash, uncertainty
from seg_ros.results import Frame, SemanticMap
from seg_ros.training.coco import CocoPictures
from seg_ros.training.instances import InstancePictures
from seg_ros.training.labelled import open_labelled
from test.conftest import SMALL_INSTANCE
from test.objects import found

SIZE = (48, 64)


def shot(output, name="a.png", seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    return Shot("photos", name, 0.0, Frame(pixels, bgr=True), output)


@pytest.fixture
def objects():
    """A car, and a pedestrian whom it half covers."""
    return found(SIZE)[:2]


def test_annotations_are_read_by_pycocotools_and_by_training(objects, tmp_path):
    coco = Coco(CAMVID, objects=True)
    one, none = shot(objects), shot(objects[:0], "b.png", seed=1)
    for each in (one, none):
        coco.add(each)
        (tmp_path / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / each.name), each.frame.pixels)
    coco.write(tmp_path)

    theirs = COCO(tmp_path / "annotations.json")
    assert [theirs.cats[i]["name"] for i in sorted(theirs.cats)] == ["car", "pedestrian", "bicyclist"]
    assert [o["score"] for o in theirs.imgToAnns[1]] == [0.95, 0.75]
    x, y, width, height = objects.roi[0].tolist()
    mask = theirs.annToMask(theirs.imgToAnns[1][0])
    assert np.array_equal(mask[y : y + height, x : x + width], objects.masks[0] > 0)
    assert mask.sum() == (objects.masks[0] > 0).sum() == theirs.imgToAnns[1][0]["area"]

    pixels, truth = CocoPictures(tmp_path, CAMVID).read(0)
    assert np.array_equal(pixels[..., ::-1], one.frame.pixels)
    assert truth.class_id.tolist() == [8, 9]
    assert np.array_equal(truth.masks[0] > 0, mask > 0)
    assert [len(InstancePictures(tmp_path, CAMVID).read(i)[1].class_id) for i in range(2)] == [2, 0]


def test_cvat_reads_the_annotations(objects, tmp_path):
    datumaro = pytest.importorskip("datumaro", reason="needs datumaro, by which CVAT imports")
    coco = Coco(CAMVID, objects=True)
    coco.add(shot(objects))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images" / "default").mkdir(parents=True)
    coco.write(tmp_path / "annotations")
    (tmp_path / "annotations" / "annotations.json").rename(tmp_path / "annotations" / "instances_default.json")
    data = datumaro.Dataset.import_from(str(tmp_path), "coco_instances")
    names = [label.name for label in data.categories()[datumaro.AnnotationType.label]]
    (item,) = data
    masks = {names[a.label]: a.image for a in item.annotations if a.type == datumaro.AnnotationType.mask}
    assert sorted(masks) == ["car", "pedestrian"]
    x, y, width, height = objects.roi[0].tolist()
    assert np.array_equal(masks["car"][y : y + height, x : x + width], objects.masks[0] > 0)
    assert masks["car"].sum() == (objects.masks[0] > 0).sum()

    # What is corrected there, here the pedestrian away, comes back by its export, and `train` takes it.
    item.annotations[:] = [a for a in item.annotations if names[a.label] == "car"]
    data.put(item)
    data.export(str(tmp_path / "exported"), "coco_instances", save_media=False)
    for part in ("train", "val"):
        (tmp_path / "mine" / part / "images").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "mine" / part / "images" / "a.png"), shot(objects).frame.pixels)
        exported = (tmp_path / "exported" / "annotations" / "instances_default.json").read_bytes()
        (tmp_path / "mine" / part / "annotations.json").write_bytes(exported)
    truth = CocoPictures(tmp_path / "mine" / "train", CAMVID).read(0)[1]
    assert truth.class_id.tolist() == [8]
    mask, car = truth.masks[0] > 0, masks["car"] > 0  # the export makes polygons of masks
    assert (mask & car).sum() > 0.8 * (mask | car).sum()
    shape = [f"{name}={json.dumps(value)}" for name, value in SMALL_INSTANCE.items() if name != "things"]
    classes = {"names": ["road", "car"], "colors": [[9, 9, 9], [255, 0, 0]], "things": [1]}
    (tmp_path / "mine" / "classes.json").write_text(json.dumps(classes))
    options = "--epochs", "1", "--batch", "1", "--workers", "0", "--crop", "64", "96", "--input-size", "64", "96"
    places = "--data", str(tmp_path / "mine"), "--run", str(tmp_path / "run")
    train.main([*places, "--model", "mask_rcnn", *options, "--arguments", *shape])
    assert (tmp_path / "run" / "checkpoint.pt").is_file()


@pytest.mark.parametrize("tool", ["cvat", "label_studio"])
def test_label_images_come_back_from_tools_and_are_trained_on(tool, tmp_path, capsys):
    label = np.random.default_rng(2).integers(0, len(CAMVID), SIZE).astype(np.uint8)
    label[5:30, 10:60] = 3
    made = shot(SemanticMap(label, np.full(SIZE, 200, np.uint8)))
    for part in ("train", "val"):
        (tmp_path / "mine" / part / "images").mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "mine" / part / "images" / made.name), made.frame.pixels)
        file = Coco(CAMVID, objects=False) if tool == "cvat" else LabelStudio(CAMVID, "film/images")
        file.add(made)
        file.write(tmp_path / "mine" / part)
        if tool == "label_studio":  # accepted as they are, they are exported as annotations
            path = tmp_path / "mine" / part / "label_studio.json"
            tasks = json.loads(path.read_text())
            path.write_text(json.dumps([task | {"annotations": task.pop("predictions")} for task in tasks]))
    (tmp_path / "mine" / "classes.json").write_text(json.dumps(CAMVID.to_dict()))
    pixels, read = open_labelled(tmp_path / "mine" / "train", CAMVID).read(0)
    assert np.array_equal(read, label)
    assert np.array_equal(pixels[..., ::-1], made.frame.pixels)
    options = "--epochs", "1", "--batch", "1", "--workers", "0", "--crop", "48", "64", "--input-size", "64", "96"
    places = "--data", str(tmp_path / "mine"), "--run", str(tmp_path / "run")
    train.main([*places, *options, "--arguments", "width=4", "depth=2", "stem=true"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["iou"].keys() == set(CAMVID.names)


def test_what_is_corrected_by_hand_is_trained_on(pictures, label, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for i, picture in enumerate([pictures[0], pictures[0][::-1]]):
        cv2.imwrite(str(tmp_path / "photos" / f"p{i}.png"), picture)
    label(capsys, tmp_path / "photos", "--output", tmp_path / "out", "--export-uncertain", "2")
    for part in ("train", "val"):
        shutil.copytree(tmp_path / "out" / "photos" / "uncertain", tmp_path / "mine" / part)
        (tmp_path / "mine" / part / "classes.json").rename(tmp_path / "mine" / "classes.json")
        for file in (tmp_path / "mine" / part / "labels").iterdir():
            corrected = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            corrected[: len(CAMVID)] = np.arange(len(CAMVID))[:, None]
            cv2.imwrite(str(file), corrected)
    options = "--epochs", "1", "--batch", "2", "--workers", "0", "--crop", "48", "64", "--input-size", "64", "96"
    places = "--data", str(tmp_path / "mine"), "--run", str(tmp_path / "run")
    train.main([*places, *options, "--arguments", "width=4", "depth=2", "stem=true"])
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["iou"].keys() == set(CAMVID.names)


def _decoded(runs):
    """Reads run lengths bit by bit, as `rle-pack` documents them."""
    bits = iter("".join(f"{byte:08b}" for byte in runs))

    def take(count):
        return int("".join(next(bits) for _ in range(count)), 2)

    size, word, lengths = take(32), take(5) + 1, [take(4) + 1 for _ in range(4)]
    out = []
    while len(out) < size:
        repeated, count = take(1), None
        count = take(lengths[take(2)]) + 1
        out += [take(word)] * count if repeated else [take(word) for _ in range(count)]
    return np.array(out, np.uint8)


@pytest.mark.parametrize("kind", ["noise", "empty", "full", "large"])
def test_run_lengths_of_label_studio(kind):
    noise = (np.random.default_rng(0).random((37, 51)) > 0.8).astype(np.uint8)
    large = np.zeros((200, 300), np.uint8)
    large[150:, 20:] = 1
    mask = {"noise": noise, "empty": noise * 0, "full": noise * 0 + 1, "large": large}[kind]
    expected = np.repeat(mask.reshape(-1) * 255, 4)
    assert np.array_equal(_decoded(encode(mask)), expected)
    try:
        from label_studio_converter.brush import decode_rle
    except ImportError:
        return  # its own decoder reads them, too, where it is installed
    assert np.array_equal(decode_rle(encode(mask).tolist()), expected)


def test_label_studio_gets_a_region_of_each_class(tmp_path):
    label = np.zeros(SIZE, np.uint8)
    label[10:20], label[40:] = 3, 255
    studio = LabelStudio(CAMVID, "my photos")
    studio.add(shot(SemanticMap(label, np.full(SIZE, 204, np.uint8))))
    studio.write(tmp_path)
    (task,) = json.loads((tmp_path / "label_studio.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=my%20photos/a.png"
    results = task["predictions"][0]["result"]
    assert [r["value"]["brushlabels"] for r in results] == [["sky"], ["road"]]
    assert results[0]["score"] == 0.8
    assert np.array_equal(_decoded(results[1]["value"]["rle"])[3::4].reshape(SIZE) > 0, label == 3)


def test_of_frames_that_look_alike_the_least_sure_is_kept():
    def seen(seed, light=0):
        small = np.random.default_rng(seed).integers(40, 200, (8, 9, 3), np.uint8)
        pixels = cv2.resize(small, (90, 80), interpolation=cv2.INTER_NEAREST) + np.uint8(light)
        return Shot("c", str(seed), 0.0, Frame(pixels), None)

    assert difference_hash(seen(1).frame.pixels) == difference_hash(seen(1, 9).frame.pixels)
    files = set()
    unsure = Unsure(2, lambda _, key: files.add(key), files.remove)
    for key, (taken, value) in {
        "a": (seen(1), 0.2), "b": (seen(2), 0.3), "c": (seen(1, 9), 0.1), "d": (seen(2, 9), 0.5), "e": (seen(3), 0.4),
        "f": (seen(4), 0.3),
    }.items():  # fmt: skip
        unsure.add(taken, key, value)
    assert [each.key for each in unsure.ranked()] == ["d", "e"]
    assert files == {"d", "e"}


def test_uncertainty(objects):
    assert uncertainty(SemanticMap(np.zeros((2, 2), np.uint8), np.uint8([[255, 255], [0, 255]]))) == 0.25
    assert uncertainty(objects) == pytest.approx(0.15)
    assert uncertainty(objects[:0]) == 0.0


class _Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.sources = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]


def test_the_report_and_the_frames_to_be_labelled(pictures, label, tmp_path, capsys):
    from seg_ros.training.datasets import load_classes

    folder = tmp_path / "<b>photos"
    folder.mkdir()
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(folder / f"p{i}.png"), picture if i < 3 else picture[::-1, ::-1])
    (folder / "torn.png").write_bytes(b"no picture")
    out = "--output", tmp_path / "out", "--report", "--export-uncertain", "2", "--coco", "--label-studio", "--overlay"
    status, _, said = label(capsys, folder, *out)
    assert status == 0, said
    made = tmp_path / "out" / folder.name
    names = {path.name for path in made.iterdir()}
    assert {"labels", "overlays", "annotations.json", "label_studio.json", "report.html", "uncertain"} <= names

    text = (made / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert "b" not in page.tags[: page.tags.index("h1") + 1]  # a name is no markup
    assert page.tags.count("svg") == 2
    assert page.tags.count("img") >= 2
    assert all(source.startswith("data:") for source in page.sources)
    assert "corrupt: OpenCV cannot read it" in text

    index = _Page()
    index.feed((tmp_path / "out" / "report.html").read_text())
    (link,) = index.sources
    assert (tmp_path / "out" / urllib.parse.unquote(link)).read_text() == text

    data = open_labelled(made / "uncertain", load_classes(made / "uncertain"))
    assert 1 <= len(data.files) <= 2
    for file in (made / "uncertain" / "images").iterdir():
        written = cv2.imread(str(file))
        assert np.array_equal(written, cv2.imread(str(folder / file.name)))


def test_of_a_bag_too(pictures, label, tmp_path, capsys):
    from test.offline.recordings import read_bag, write_bag

    source = write_bag(tmp_path / "drive", pictures, damage=(1,))
    status, _, said = label(capsys, source, "--output", tmp_path / "out", "--report", "--export-uncertain", "2")
    assert status == 0, said
    made = tmp_path / "out" / "drive"
    assert len(read_bag(made)["/segmentation/label"]) == len(pictures) - 1  # it is still a bag
    assert "/camera/image_raw" in (made / "report.html").read_text()
    assert list((made / "uncertain" / "images").iterdir())
    status, _, _ = label(capsys, source, "--output", tmp_path / "out2", "--coco")
    assert "--coco and --label-studio are for pictures and videos" in status
