"""Label images that are drawn from annotations."""

import json

import cv2
import numpy as np
import pytest

from seg_ros.classes import ClassMap
from seg_ros.training.labelled import open_labelled

ROAD = ClassMap(("other", "road", "car"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))


@pytest.fixture
def write(tmp_path):
    def write(names):
        """A road 6 px high, and in front of it a car of 4x4 px; `names` of the categories."""
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((10, 12, 3), np.uint8))
        shapes = {"car": [2, 5, 6, 5, 6, 9, 2, 9], "road": [0, 4, 12, 4, 12, 10, 0, 10]}
        objects = [
            {"id": i, "image_id": 1, "category_id": names.index(name), "segmentation": [shape], "iscrowd": 0}
            for i, (name, shape) in enumerate(shapes.items(), 1)
        ]
        data = {
            "images": [{"id": 1, "file_name": "a.png", "width": 12, "height": 10}],
            "categories": [{"id": i, "name": name} for i, name in enumerate(names)], "annotations": objects,
        }  # fmt: skip
        (tmp_path / "annotations.json").write_text(json.dumps(data))
        return tmp_path

    return write


@pytest.mark.parametrize(("names", "rest"), [(["road", "car"], 0), (["other", "road", "car"], 255)])
def test_what_no_object_covers_is_of_the_first_class_unless_that_may_be_drawn(write, names, rest):
    _, label = open_labelled(write(names), ROAD).read(0)
    expected = np.full((10, 12), rest, np.uint8)
    expected[4:] = 1
    expected[5:9, 2:6] = 2
    assert np.array_equal(label, expected)


def test_label_images_come_first(write):
    root = write(["road", "car"])
    for folder, pixels in ("images", np.zeros((10, 12, 3), np.uint8)), ("labels", np.full((10, 12), 7, np.uint8)):
        (root / folder).mkdir()
        cv2.imwrite(str(root / folder / "a.png"), pixels)
    labelled = open_labelled(root, ROAD)
    assert (labelled.ids(0) == 7).all()
    assert (labelled.read(0)[1] == 255).all()
