"""Instance data sets: which reader, the tensors of training, the class map that annotations imply."""

import json

import cv2
import numpy as np
import pytest
import torch

from seg_ros.classes import CAMVID, ClassMap
from seg_ros.scenes import Street
from seg_ros.training.augment import Augment
from seg_ros.training.datasets import render_street
from seg_ros.training.instances import InstancePictures, Truth, collate, default_classes


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    root = tmp_path_factory.mktemp("street")
    render_street(root, range(20000, 20001), 2, (240, 320))
    return root


def test_rendered_street_is_the_street(street):
    pictures = InstancePictures(street, CAMVID)
    assert [p.stem for p in pictures.files] == ["020000_0", "020000_1"]
    assert len(pictures) == 2
    image, truth = pictures.read(1)
    scene = Street(20000, (240, 320)).scene(120)
    assert np.abs(image.astype(int) - scene.image).mean() < 4  # JPEG
    expected = Truth.from_images(scene.label, scene.instance, CAMVID.things)
    assert np.array_equal(truth.masks, expected.masks)
    assert np.array_equal(truth.class_id, expected.class_id)


def test_tensors_for_training(street):
    pictures = InstancePictures(street, CAMVID, Augment((96, 128)))
    images, targets = collate([pictures[0], pictures[1]])
    assert (images.shape, images.dtype) == ((2, 96, 128, 3), torch.uint8)
    for target in targets:
        n = len(target["boxes"])
        assert {k: (tuple(v.shape), v.dtype) for k, v in target.items()} == {
            "boxes": ((n, 4), torch.float32),
            "things": ((n,), torch.int64),
            "masks": ((n, 96, 128), torch.uint8),
            "ignore": ((n,), torch.bool),
        }


def test_things_are_numbered_from_one(street):
    pictures = InstancePictures(street, CAMVID)
    _, truth = pictures.read(0)
    assert set(truth.class_id) > {8}
    assert pictures[0]["things"].tolist() == [{8: 1, 9: 2, 10: 3}[c] for c in truth.class_id]


def test_augmentation_repeats_with_torchs_seed(street):
    pictures = InstancePictures(street, CAMVID, Augment((96, 128)))
    torch.manual_seed(3)
    first, second = pictures[0]["image"], pictures[0]["image"]
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(first, pictures[0]["image"])


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"annotations.json .*via_region_data.json .*images, labels .*instances"
    ):
        InstancePictures(tmp_path, CAMVID)
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        InstancePictures(tmp_path / "gone", CAMVID)
    with pytest.raises(ValueError, match="no things"):
        InstancePictures(tmp_path, ClassMap(("road",), ((0, 0, 0),)))
    for name in ("images", "labels", "instances"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "images/a.jpg"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "labels/a.png"), np.zeros((4, 6), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"a.png: no instance image \(1 of 1 are missing\)"):
        InstancePictures(tmp_path, CAMVID)
    cv2.imwrite(str(tmp_path / "instances/a.png"), np.zeros((6, 4), np.uint16))
    with pytest.raises(ValueError, match=r"expected a 16-bit, one-channel image of \(4, 6\), got uint16 \(6, 4\)"):
        InstancePictures(tmp_path, CAMVID).read(0)
    (tmp_path / "instances/a.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"instances/a\.png: does not decode"):
        InstancePictures(tmp_path, CAMVID).read(0)


def test_default_classes(tmp_path):
    with pytest.raises(FileNotFoundError, match="no classes file"):
        default_classes(tmp_path)
    with pytest.raises(FileNotFoundError, match="gone: no such folder"):
        default_classes(tmp_path / "gone")
    (tmp_path / "via_region_data.json").write_text("{}")
    assert default_classes(tmp_path).names == ("object",)
    categories = [{"id": 7, "name": "dent"}, {"id": 2, "name": "scratch"}, {"id": 9, "name": "crack"}]
    (tmp_path / "annotations.json").write_text(json.dumps({"categories": categories}))
    classes = default_classes(tmp_path)
    assert (classes.names, classes.things) == (("scratch", "dent", "crack"), {0, 1, 2})
    assert len(set(classes.colors)) == 3
    (tmp_path / "annotations.json").write_text(json.dumps({"annotations": []}))
    with pytest.raises(ValueError, match=r"annotations\.json: expected COCO's .*, got no categories"):
        default_classes(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(CAMVID.to_dict()))
    assert default_classes(tmp_path) == CAMVID
