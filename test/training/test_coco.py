"""COCO's JSON: polygons, run lengths, crowds, categories by name, what is wrong with a file."""

import json
import re
import tracemalloc

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle

from seg_ros.classes import ClassMap
from seg_ros.training.instances import InstancePictures, default_classes

CLASSES = ClassMap(("road", "car", "person"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), frozenset({1, 2}))
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own, with numpy 2
SQUARE = [10, 5, 30, 5, 30, 25, 10, 25]


@pytest.fixture
def write(tmp_path):
    """Writes a data set of one picture of 60 x 40 px whose objects are the given ones."""

    def write(*objects, folder="images", names=("a.png",), size=(40, 60)):
        (tmp_path / folder).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.full((*size, 3), (1, 2, 3), np.uint8))
        data = {
            "images": [{"id": 50 + i, "file_name": n, "height": 40, "width": 60} for i, n in enumerate(names)],
            "categories": [{"id": 90, "name": "car"}, {"id": 4, "name": "person"}, {"id": 5, "name": "road"}],
            "annotations": [{"id": i, "image_id": 50, "iscrowd": 0, **o} for i, o in enumerate(objects)],
        }
        (tmp_path / "annotations.json").write_text(json.dumps(data))
        return tmp_path

    return write


def test_polygons_runs_and_crowds(write, capsys):
    disc = cv2.circle(np.zeros((40, 60), np.uint8), (40, 20), 8, 1, -1)
    compressed = rle.encode(np.asfortranarray(disc))
    runs = [int(n) for n in np.diff(np.flatnonzero(np.diff(disc.ravel(order="F"), prepend=2)))]
    runs.append(2400 - sum(runs))
    root = write(
        {"category_id": 90, "segmentation": [SQUARE, [40, 30, 50, 30, 50, 38, 40, 38]]},
        {"category_id": 4, "segmentation": {"size": [40, 60], "counts": compressed["counts"].decode()}},
        {"category_id": 4, "segmentation": {"size": [40, 60], "counts": runs}, "iscrowd": 1},
        {"category_id": 5, "segmentation": [SQUARE]},  # road is no thing
    )
    image, truth = InstancePictures(root, CLASSES).read(0)
    assert image[0, 0].tolist() == [3, 2, 1]  # RGB
    assert truth.class_id.tolist() == [1, 2, 2]
    assert truth.ignore.tolist() == [False, False, True]
    parts = np.zeros((40, 60), np.uint8)
    parts[5:25, 10:30] = parts[30:38, 40:50] = 1
    assert np.array_equal(truth.masks[0], parts)
    assert np.array_equal(truth.masks[1], disc)
    assert np.array_equal(truth.masks[2], disc)
    assert capsys.readouterr() == ("", "")


def test_polygons_that_leave_the_picture_and_those_without_area(write):
    root = write(
        {"category_id": 90, "segmentation": [[-9, -9, 20, -9, 20, 20, -9, 20]]},
        {"category_id": 90, "segmentation": [[50, 30, 99, 30, 99, 99, 50, 99], [3, 3], [1, 1, 9, 9]]},
        {"category_id": 90, "segmentation": [[3, 3, 20, 20]]},
    )
    _, truth = InstancePictures(root, CLASSES).read(0)
    assert truth.boxes().tolist() == [[0, 0, 20, 20], [50, 30, 60, 40]]


def test_pictures_beside_the_file_and_missing_ones(write, caplog):
    root = write({"category_id": 90, "segmentation": [SQUARE]}, folder=".", names=("a.png", "gone.png"))
    pictures = InstancePictures(root, CLASSES)
    assert pictures.files == [root / "a.png"]
    assert [r.getMessage() for r in caplog.records] == [
        f"{root / 'annotations.json'}: lists gone.png, which is not there; skipped"
    ]
    with pytest.raises(FileNotFoundError, match="none of its 1 pictures"):
        InstancePictures(write(names=("gone.png",)), CLASSES)


def test_picture_without_objects(write):
    item = InstancePictures(write(), CLASSES)[0]
    assert (item["masks"].shape, item["boxes"].shape, item["things"].shape) == ((0, 40, 60), (0, 4), (0,))


def test_picture_turned_by_exif_fits_its_annotations(write):
    root = write({"category_id": 90, "segmentation": [SQUARE]})
    plain = cv2.imencode(".jpg", np.zeros((40, 60, 3), np.uint8))[1].tobytes()
    turn = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: a quarter turn
    (root / "images/a.png").write_bytes(plain[:2] + b"\xff\xe1" + (len(turn) + 2).to_bytes(2, "big") + turn + plain[2:])
    assert cv2.imread(str(root / "images/a.png")).shape == (60, 40, 3)
    assert InstancePictures(root, CLASSES).read(0)[0].shape == (40, 60, 3)


def test_enormous_polygons_are_cut(write):
    far = 1e9
    root = write({"category_id": 90, "segmentation": [[-far, -far, 30, -far, 30, far, -far, far]]})
    assert InstancePictures(root, CLASSES).read(0)[1].boxes().tolist() == [[0, 0, 30, 40]]


CAR = {"category_id": 90, "segmentation": [SQUARE]}
ZIGZAG = [0, 0, 60, 40] * 50_000
FAR = [-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: [data], r"expected COCO's \{images.*, got something else: .*list"),
        (lambda data: data | {"annotations": None}, "expected COCO's .*, got something else: .*NoneType"),
        (lambda data: {"images": data["images"]}, "expected COCO's .*; 'annotations' is missing"),
        (lambda data: data | {"categories": []}, "category 'of id 90' is no class"),
        (lambda data: without(data, "images", "height"), "expected COCO's .*; 'height' is missing"),
        (lambda data: without(data, "images", "file_name"), "expected COCO's .*; 'file_name' is missing"),
        (lambda data: without(data, "annotations", "id"), "expected COCO's .*; 'id' is missing"),
        (lambda data: without(data, "annotations", "category_id"), "expected COCO's .*; 'category_id' is missing"),
        (lambda data: with_shape(data, SQUARE), r"a\.png: expected a segmentation of polygons .*, got something else"),
        (lambda data: with_shape(data, {"counts": [2400]}), r"a\.png: expected a segmentation .*; 'size' is missing"),
        (lambda data: with_shape(data, {"size": [40, 60], "counts": [9, 9000]}), r"a\.png: Invalid RLE"),
        (lambda data: with_shape(data, [[float("nan")] * 6]), r"a\.png: expected finite coordinates, got \[nan"),
        (lambda data: with_size(data, "40", 60), "height of 'a.png': expected a whole number in 1..65535, got '40'"),
        (lambda data: with_size(data, 40, -60), "width of 'a.png': expected a whole number in 1..65535, got -60"),
        (lambda data: with_size(data, 40.5, 60), "height of 'a.png': expected a whole number in 1..65535, got 40.5"),
        (
            lambda data: with_shape(data, [ZIGZAG]),
            r"a\.png: expected outlines of at most 4000000 px .* along 100000",
        ),
        (lambda data: with_shape(data, [FAR] * 9), r"a\.png: expected outlines of at most 4000000 px together, got"),
    ],
)
def test_a_malformed_file_is_named_in_one_line(write, change, message):
    path = write(CAR) / "annotations.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {message}") as error:
        InstancePictures(path.parent, CLASSES).read(0)
    assert "\n" not in str(error.value)


def without(data, group, name):
    del data[group][0][name]
    return data


def with_size(data, height, width):
    data["images"][0] |= {"height": height, "width": width}
    return data


def with_shape(data, shape):
    data["annotations"][0]["segmentation"] = shape
    return data


def test_what_is_wrong_with_a_file_is_said(write):
    with pytest.raises(ValueError, match="category 'car' is no class; the classes are road, dog"):
        InstancePictures(
            write({"category_id": 90, "segmentation": [SQUARE]}),
            ClassMap(("road", "dog"), ((0, 0, 0), (1, 1, 1)), frozenset({1})),
        )
    with pytest.raises(ValueError, match="category 'of id 77' is no class"):
        InstancePictures(write({"category_id": 77, "segmentation": [SQUARE]}), CLASSES)
    with pytest.raises(ValueError, match="1 objects have no mask, the first has id 0"):
        InstancePictures(write({"category_id": 90, "bbox": [1, 2, 3, 4]}), CLASSES)
    with pytest.raises(ValueError, match=r"expected a mask of \(40, 60\) px \(height, width\), got \(4, 6\)"):
        InstancePictures(write({"category_id": 90, "segmentation": {"size": [4, 6], "counts": [4, 20]}}), CLASSES).read(
            0
        )
    with pytest.raises(ValueError, match=r"expected \(40, 60\) px \(height, width\) as annotated, got \(20, 30\)"):
        InstancePictures(write(size=(20, 30)), CLASSES).read(0)


def test_a_size_that_the_picture_has_not_takes_no_memory(write):
    path = write(CAR) / "annotations.json"
    path.write_text(json.dumps(with_size(json.loads(path.read_text()), 60_000, 65_000)))
    pictures = InstancePictures(path.parent, CLASSES)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"a\.png: expected \(60000, 65000\) px .* as annotated, got \(40, 60\)"):
        pictures.read(0)
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["annotations.json", "classes.json"])
def test_json_that_is_nested_deep(write, name):
    root = write(CAR)
    (root / name).write_text("[" * 200_000)
    with pytest.raises(ValueError, match=f"{name}: expected JSON of a few levels, got one that is nested too deep"):
        default_classes(root)
