"""VIA's JSON: shapes, classes, missing pictures; the car-damage photographs."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from seg_ros.classes import ClassMap
from seg_ros.training import pictures as listing
from seg_ros.training.instances import InstancePictures, default_classes

CAR_DAMAGE = Path(__file__).parents[2] / "../shared/data/car_damage"
ONE = ClassMap(("damage",), ((255, 0, 0),), frozenset({0}))
TWO = ClassMap(("dent", "scratch"), ((255, 0, 0), (0, 255, 0)), frozenset({0, 1}))
POLYGON = {"name": "polygon", "all_points_x": [10, 29.4, 29, 10], "all_points_y": [5, 5, 24, 24]}


@pytest.fixture
def write(tmp_path):
    """Writes a data set of one picture of 60 x 40 px with the given regions."""

    def write(regions, folder=".", project=False, **entries):
        (tmp_path / folder).mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / folder / "a.png"), np.zeros((40, 60, 3), np.uint8))
        data = {"a.png123": {"filename": "a.png", "regions": regions}, **entries}
        data = {"_via_settings": {}, "_via_img_metadata": data} if project else data
        (tmp_path / "via_region_data.json").write_text(json.dumps(data))
        return tmp_path

    return write


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


@pytest.mark.parametrize("folder", [".", "images"])
@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("regions", [[region(POLYGON)], {"0": region(POLYGON)}])
def test_regions_are_objects(write, folder, project, regions):
    image, truth = InstancePictures(write(regions, folder, project), ONE).read(0)
    assert image.shape == (40, 60, 3)
    assert truth.boxes().tolist() == [[10, 5, 30, 25]]
    assert (truth.masks.sum(), truth.class_id.tolist(), truth.ignore.tolist()) == (400, [0], [False])


def test_every_shape_with_an_area(write):
    shapes = [
        {"name": "rect", "x": 2, "y": 3, "width": 10, "height": 8},
        {"name": "circle", "cx": 20, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 40, "cy": 20, "rx": 10, "ry": 4},
        {"name": "ellipse", "cx": 40, "cy": 20, "rx": 10, "ry": 4, "theta": np.pi / 2},
    ]
    _, truth = InstancePictures(write([region(s) for s in shapes]), ONE).read(0)
    assert truth.boxes().tolist() == [[2, 3, 12, 11], [15, 15, 26, 26], [30, 16, 51, 25], [36, 10, 45, 31]]
    assert truth.masks[0].sum() == 80
    assert truth.masks[1].sum() == pytest.approx(np.pi * 5.2**2, rel=0.15)
    assert truth.masks[2].sum() == pytest.approx(np.pi * 10.4 * 4.4, rel=0.15)


def test_what_leaves_the_picture_is_cut_off(write):
    shapes = [
        {"name": "polygon", "all_points_x": [-30, 9, 9, -30], "all_points_y": [-2, -2, 70, 70]},
        {"name": "rect", "x": -5, "y": -5, "width": 20, "height": 20},
        {"name": "rect", "x": 50, "y": 30, "width": 90, "height": 90},
        {"name": "rect", "x": -50, "y": -50, "width": 20, "height": 20},
        {"name": "polygon", "all_points_x": [-1e9, 30, 30, -1e9], "all_points_y": [-1e9, -1e9, 1e9, 1e9]},
        {"name": "circle", "cx": 30, "cy": 20, "r": 1e12},
    ]
    _, truth = InstancePictures(write([region(s) for s in shapes]), ONE).read(0)
    assert truth.boxes().tolist() == [
        *([0, 0, 10, 40], [0, 0, 15, 15], [50, 30, 60, 40]),
        *([0, 0, 31, 40], [0, 0, 60, 40]),
    ]


def test_an_outline_may_have_many_points(write):
    angle = np.linspace(0, 2 * np.pi, 100_000)
    ring = {"all_points_x": (30 + 10 * np.cos(angle)).tolist(), "all_points_y": (20 + 10 * np.sin(angle)).tolist()}
    _, truth = InstancePictures(write([region({"name": "polygon", **ring})]), ONE).read(0)
    assert truth.boxes().tolist() == [[20, 10, 41, 31]]


def test_class_is_the_one_that_the_attributes_name(write):
    regions = [region(POLYGON, type="scratch", seen="yes"), region(POLYGON, type={"dent": True, "scratch": False})]
    assert InstancePictures(write(regions), TWO).read(0)[1].class_id.tolist() == [1, 0]
    with pytest.raises(
        ValueError, match=r"a.png: expected region attributes that name one of .* dent, scratch, got .*hole"
    ):
        InstancePictures(write([region(POLYGON, type="hole")]), TWO)


def test_shape_without_area_is_refused(write):
    with pytest.raises(ValueError, match=r"a.png: a point has no area; expected one of polygon, rect, circle, ellipse"):
        InstancePictures(write([region({"name": "point", "cx": 1, "cy": 2})]), ONE)


SCRIBBLE = {"name": "polygon", "all_points_x": [0, 59] * 50_000, "all_points_y": [0, 39, 5, 30] * 25_000}
CIRCLE = {"name": "circle", "cx": 20, "cy": 20, "r": 5}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], r": expected VIA's \{.*, got something else: .*list"),
        ("{", ": Expecting"),
        ({"a": {"filename": "a" * 300, "regions": []}}, r": .*File name too long"),
        ("[" * 200_000, ": expected JSON of a few levels, got one that is nested too deep"),
        (
            [region(SCRIBBLE)],
            r": a\.png: expected a polygon that crosses a row .* at most 1000 times, got .* 100000",
        ),
        ({"a": {"filename": "a.png"}}, r": a\.png: expected VIA's .*; 'regions' is missing"),
        ({"a": {"regions": []}}, ": expected VIA's .*; 'filename' is missing"),
        ({"a": 3}, ": expected VIA's .*, got something else: 'int'"),
        ([{}], r": a\.png: expected VIA's .*; 'shape_attributes' is missing"),
        ([{"shape_attributes": {"r": 5}}], r": a\.png: expected VIA's .*; 'name' is missing"),
        ([region({"name": "polygon"})], r": a\.png: expected VIA's .*; 'all_points_x' is missing"),
        ([region(POLYGON | {"all_points_x": []})], r": a\.png: expected a polygon of as many x as y, at least one"),
        ([region({"name": "polygon", "all_points_x": [], "all_points_y": []})], r": a\.png: expected a polygon"),
        ([region(CIRCLE | {"r": -5})], r": a\.png: expected a circle .*, r not negative, got .*-5"),
        ([region(CIRCLE | {"cx": None})], r": a\.png: expected .*finite"),
        ([region(CIRCLE | {"cx": [20]})], r": a\.png: expected a circle of single numbers"),
        ([region(CIRCLE | {"r": float("nan")})], r": a\.png: expected finite coordinates, got nan"),
    ],
)
def test_a_malformed_file_is_named_in_one_line(write, data, message):
    path = write(data if data else []) / "via_region_data.json"
    if isinstance(data, dict) or not data:
        path.write_text(json.dumps(data))
    elif isinstance(data, str):
        path.write_text(data)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}{message}") as error:
        InstancePictures(path.parent, ONE)
    assert "\n" not in str(error.value)


def test_attributes_are_needed_with_several_classes_only(write):
    root = write([{"shape_attributes": POLYGON}])
    assert InstancePictures(root, ONE).read(0)[1].class_id.tolist() == [0]
    with pytest.raises(ValueError, match=r"a\.png: expected VIA's .*; 'region_attributes' is missing"):
        InstancePictures(root, TWO)


def test_missing_pictures_are_skipped_with_one_warning_each(write, caplog):
    root = write([], x={"filename": "gone.jpg", "regions": {}}, y={"filename": "lost.jpg", "regions": {}})
    pictures = InstancePictures(root, ONE)
    assert len(pictures) == len(InstancePictures(root, ONE)) == 1
    assert [r.getMessage().split(": ")[1] for r in caplog.records] == [
        f"lists {name}, which is not there; skipped" for name in ("gone.jpg", "lost.jpg")
    ]
    assert len(pictures.read(0)[1]) == 0  # a picture without regions is one without objects
    (root / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match="none of its 3 pictures"):
        InstancePictures(root, ONE)


def test_picture_that_does_not_decode(write):
    root = write([])
    (root / "a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.png: does not decode"):
        InstancePictures(root, ONE).read(0)


@pytest.mark.skipif(not CAR_DAMAGE.is_dir(), reason="no ../shared/data/car_damage here")
@pytest.mark.parametrize(("split", "pictures", "objects", "missing"), [("train", 49, 78, 3), ("val", 15, 19, 0)])
def test_car_damage_reads(split, pictures, objects, missing, caplog):
    root = CAR_DAMAGE / split
    listing._warn_missing.cache_clear()  # another test may have had the warnings
    data = InstancePictures(root, default_classes(root))
    assert (len(data), len(caplog.records)) == (pictures, missing)
    truths = [data.read(i)[1] for i in range(len(data))]
    assert sum(len(t) for t in truths) == objects
    assert not any(t.ignore.any() for t in truths)
