"""Where pictures come from."""

import itertools
import json
import os

import cv2
import numpy as np
import pytest

from seg_ros.classes import CAMVID, ClassMap
from seg_ros.picture import Picture
from seg_ros.picture_folders import image_files
from seg_ros.scenes import Street
from seg_ros.scenes.depth_camera import DepthCamera
from seg_ros.sources import again, open_source, own_rate


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    (tmp_path / "instances").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((20, 30, 3), 50 * i, np.uint8))
    cv2.imwrite(str(tmp_path / "labels" / "1.png"), np.full((20, 30), 7, np.uint8))
    ids = np.zeros((20, 30), np.uint16)
    ids[:, 10:] = 40000
    cv2.imwrite(str(tmp_path / "instances" / "1.png"), ids)
    return tmp_path


def test_street_moves_and_has_truth():
    pictures = open_source("street", (120, 160), 10.0, True, 3)
    for index in range(2):
        image, label, instance, matrix, space = next(pictures)
        assert space is None
        street = Street(3, (120, 160))
        scene = street.scene(index, 10.0)
        assert np.array_equal(image[..., ::-1], scene.image)
        assert np.array_equal(label, scene.label)
        assert np.array_equal(instance, scene.instance)
        assert instance.dtype == np.uint16
        assert np.array_equal(matrix, street.matrix)


@pytest.mark.parametrize("name", ["", "images"])
def test_folder_in_name_order_with_truth_where_there_is_some(folder, name):
    pictures = list(open_source(str(folder / name), None, 1.0, False, 0))
    assert [int(p.image[0, 0, 0]) for p in pictures] == [0, 50, 100]
    assert [p.label is not None for p in pictures] == [False, True, False]
    assert [p.instance is not None for p in pictures] == [False, True, False]
    assert (pictures[1].label == 7).all()
    assert pictures[1].instance.dtype == np.uint16
    assert np.unique(pictures[1].instance).tolist() == [0, 40000]


def test_label_images_of_other_classes_are_no_truth(folder, caplog):
    (folder / "classes.json").write_text(json.dumps({"names": ["other", "road"], "colors": [[0, 0, 0], [9, 9, 9]]}))
    pictures = list(open_source(str(folder), None, 1.0, False, 0, CAMVID))
    assert all(p.label is None and p.instance is None for p in pictures)
    assert "there is no truth of the pictures: " in caplog.text


def test_a_name_that_is_not_utf_8(folder):
    for part in ("images", "labels", "instances"):
        (folder / part / "1.png").rename(folder / part / os.fsdecode(b"caf\xe9.png"))
    assert [p.label is not None for p in open_source(str(folder), None, 1.0, False, 0)] == [False, False, True]
    (folder / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"")
    with pytest.raises(ValueError, match="not UTF-8"):
        open_source(str(folder / os.fsdecode(b"caf\xe9.mp4")), None, 1.0, False, 0)


def test_loops(folder):
    pictures = open_source(str(folder), None, 1.0, True, 0)
    assert [int(p.image[0, 0, 0]) for p in itertools.islice(pictures, 7)] == [0, 50, 100, 0, 50, 100, 0]


def test_resizes_picture_and_truth(folder):
    first, second, _ = open_source(str(folder), (10, 15), 1.0, False, 0)
    assert first.image.shape == second.image.shape == (10, 15, 3)
    assert first.label is first.instance is None
    assert second.label.shape == second.instance.shape == (10, 15)
    assert np.unique(second.instance).tolist() == [0, 40000]  # resized, ids are still ids
    assert second.instance.dtype == np.uint16


def test_object_ids_of_8_bit_are_widened_and_colours_are_refused(folder):
    file = str(folder / "instances" / "0.png")
    cv2.imwrite(file, np.full((20, 30), 9, np.uint8))
    picture = next(open_source(str(folder), None, 1.0, False, 0))
    assert (picture.instance == 9).all()
    assert picture.instance.dtype == np.uint16
    cv2.imwrite(file, np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(ValueError, match=r"0\.png: object ids must be a grey picture.* got 3 channels"):
        next(open_source(str(folder), None, 1.0, False, 0))


@pytest.fixture
def annotated(tmp_path):
    """A picture with a rectangle, and before it a smaller one, of VIA's JSON; `mine/val`."""
    root = tmp_path / "mine" / "val"
    root.mkdir(parents=True)
    cv2.imwrite(str(root / "a.png"), np.full((20, 30, 3), (10, 20, 30), np.uint8))
    shapes = [{"name": "rect", "x": x, "y": 4, "width": w, "height": 8} for x, w in ((6, 4), (4, 20))]
    regions = [{"shape_attributes": shape, "region_attributes": {"kind": "dent"}} for shape in shapes]
    (root / "via_region_data.json").write_text(json.dumps({"a": {"filename": "a.png", "regions": regions}}))
    return root


def test_annotated_objects_are_the_truth(annotated, caplog):
    def truth(classes=None):
        return next(open_source(str(annotated), None, 1.0, False, 0, classes))

    picture = truth()
    assert picture.image[0, 0].tolist() == [10, 20, 30]
    assert picture.instance.dtype == np.uint16
    assert picture.instance[4:12, 4:24].tolist() == [[2] * 2 + [1] * 4 + [2] * 14] * 8
    assert (picture.instance > 0).sum() == 8 * 20
    assert np.array_equal(picture.label, np.where(picture.instance, 0, 255))
    names = ("car", "dent")
    (annotated.parent / "classes.json").write_text(json.dumps(ClassMap(names, ((0, 0, 0),) * 2).to_dict()))
    assert set(np.unique(truth().label)) == {255}  # no thing class
    assert set(np.unique(truth(ClassMap(names, ((0, 0, 0),) * 2, frozenset({1}))).label)) == {1, 255}
    assert not caplog.records
    picture = truth(CAMVID)
    assert picture.label is picture.instance is None
    assert "there is no truth of the pictures: " in caplog.text
    assert "expected region attributes that name one of the classes sky, " in caplog.text


def test_video_file(tmp_path):
    path = str(tmp_path / "a.avi")
    assert own_rate(path) is own_rate("street") is own_rate("0") is None
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for i in range(4):
        writer.write(np.full((48, 64, 3), 60 * i, np.uint8))
    writer.release()
    pictures = list(open_source(path, None, 1.0, False, 0))
    assert [round(int(p.image[5, 5, 0]) / 60) for p in pictures] == [0, 1, 2, 3]
    assert all(p.label is None and p.instance is None for p in pictures)
    assert own_rate(path) == 10


def test_what_does_not_open_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected 'street', a folder"):
        open_source(str(tmp_path / "none"), None, 1.0, True, 0)
    with pytest.raises(FileNotFoundError, match="no pictures"):
        image_files(tmp_path)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(FileNotFoundError, match="OpenCV cannot open it"):
        open_source(str(tmp_path / "text.mp4"), None, 1.0, True, 0)


def test_a_video_without_pictures_ends(tmp_path, monkeypatch):
    class Empty:
        def isOpened(self):  # noqa: N802 (OpenCV's name)
            return True

        def read(self):
            return False, None

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", lambda name: Empty())
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ValueError, match="no picture could be read"):
        next(open_source(str(tmp_path / "a.mp4"), None, 1.0, True, 0))


def test_damaged_picture_is_named(folder):
    (folder / "images/1.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1.png: does not decode"):
        list(open_source(str(folder), None, 1.0, False, 0))


def test_a_measured_street_has_depth_boxes_and_a_scan_ten_times_a_second():
    pictures = open_source("street", (120, 160), 30.0, True, 3, space=DepthCamera())
    measured = [next(pictures).space for _ in range(4)]
    assert [m.scan is not None for m in measured] == [True, False, False, True]
    assert measured[0].depth.dtype == np.uint16
    assert 2000 < measured[0].depth[-1, 80] < 6000
    assert measured[0].depth[0, 80] == 0
    assert measured[0].boxes


def test_pictures_that_are_repeated_show_other_objects_each_time():
    instance = np.uint16([[0, 3], [30000, 0]])
    seen = itertools.islice(again([Picture(np.zeros((2, 2, 3), np.uint8), instance=instance)]), 5)
    ids = [each.instance.ravel().tolist() for each in seen]
    assert ids == [[0, 3, 30000, 0], [0, 30003, 60000, 0]] * 2 + [[0, 3, 30000, 0]]
