"""Where pictures come from."""

import itertools

import cv2
import numpy as np
import pytest

from seg_ros.scenes import Street
from seg_ros.sources import image_files, open_source


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), np.full((20, 30, 3), 50 * i, np.uint8))
    cv2.imwrite(str(tmp_path / "labels" / "1.png"), np.full((20, 30), 7, np.uint8))
    return tmp_path


def test_street_moves_and_has_truth():
    pictures = open_source("street", (160, 120), 10.0, True, 3)
    for index in range(2):
        image, label = next(pictures)
        scene = Street(3, 160, 120).scene(index, 10.0)
        assert np.array_equal(image[..., ::-1], scene.image)
        assert np.array_equal(label, scene.label)


@pytest.mark.parametrize("name", ["", "images"])
def test_folder_in_name_order_with_truth_where_there_is_some(folder, name):
    pictures = list(open_source(str(folder / name), None, 1.0, False, 0))
    assert [int(image[0, 0, 0]) for image, _ in pictures] == [0, 50, 100]
    assert [label is not None for _, label in pictures] == [False, True, False]
    assert (pictures[1][1] == 7).all()


def test_loops(folder):
    pictures = open_source(str(folder), None, 1.0, True, 0)
    assert [int(image[0, 0, 0]) for image, _ in itertools.islice(pictures, 7)] == [0, 50, 100, 0, 50, 100, 0]


def test_resizes_picture_and_truth(folder):
    for image, label in open_source(str(folder), (15, 10), 1.0, False, 0):
        assert image.shape == (10, 15, 3)
        assert label is None or label.shape == (10, 15)


def test_video_file(tmp_path):
    path = str(tmp_path / "a.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for i in range(4):
        writer.write(np.full((48, 64, 3), 60 * i, np.uint8))
    writer.release()
    pictures = list(open_source(path, None, 1.0, False, 0))
    assert [round(int(image[5, 5, 0]) / 60) for image, _ in pictures] == [0, 1, 2, 3]
    assert all(label is None for _, label in pictures)


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
