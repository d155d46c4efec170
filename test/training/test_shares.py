"""What the truth of a data set holds is said, and truth that gives a score without a meaning is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from seg_ros.classes import CAMVID, ClassMap
from seg_ros.manifest import Manifest
from seg_ros.training import shares
from seg_ros.training.tasks import InstanceTask, SemanticTask
from test.conftest import SMALL_INSTANCE

TWO = ClassMap(("dark", "bright"), ((0, 0, 0), (255, 255, 0)))
THREE = ClassMap(("dark", "bright", "blue"), ((0, 0, 0), (255, 255, 0), (0, 0, 255)))
ROOT = Path("data/train")


def counts(**pixels):
    table = np.zeros(256, np.int64)
    for name, number in pixels.items():
        table[int(name[1:])] = number
    return table


def test_every_id_has_a_line():
    text = shares.lines(ROOT, "pixels", counts(_0=50, _7=10, _255=40), dict(enumerate(TWO.names)))
    assert [line.split() for line in text] == [
        *(["data/train:", "share", "of", "pixels", "by", "id"], ["0", "dark", "50.000", "%"], ["1", "bright", "none"]),
        *(["7", "no", "class", "10.000", "%"], ["255", "unlabelled", "40.000", "%"]),
    ]
    many = shares.lines(ROOT, "pixels", np.ones(256, np.int64), dict(enumerate(TWO.names)))
    assert len(many) == 1 + 2 + 10 + 1 + 1
    assert many[-1].split() == ["243", "other", "ids,", "no", "class", "94.922", "%"]


@pytest.mark.parametrize(
    ("classes", "pixels", "every", "message"),
    [
        (TWO, {"_0": 9, "_255": 9}, True, r"class ids 0 and 1, got masks of 0, 255 alone, .* write 1 \(bright\) where"),
        (TWO, {"_0": 9, "_255": 9}, False, r"class ids 0 and 1, got masks of 0, 255 alone"),
        (TWO, {"_255": 9}, False, r"class ids 0 and 1, got masks of 255 alone"),
        (
            TWO,
            {"_8": 9, "_9": 9},
            False,
            r"class ids 0\.\.1, got no pixel of any class, only ids 8, 9; write",
        ),
        (TWO, {}, False, "got no pixel of any class"),
        (
            THREE,
            {"_0": 9, "_255": 9},
            True,
            r"every class .*, got none of 1 \(bright\), 2 \(blue\), only ids 0, 255",
        ),
        (THREE, {"_0": 9, "_255": 9}, False, ""),
        (TWO, {"_0": 9, "_1": 1, "_255": 9}, True, ""),
    ],
)
def test_label_images_without_a_meaning(classes, pixels, every, message):
    if not message:
        shares.check_label_images(ROOT, counts(**pixels), classes, every)
        return
    with pytest.raises(ValueError, match=f"^data/train: expected .*{message}"):
        shares.check_label_images(ROOT, counts(**pixels), classes, every)


def test_counting_goes_on_until_every_class_was_met():
    read = []

    def ids(index):
        read.append(index)
        return np.full((2, 2), index == 950, np.uint8)

    found = shares.count(1000, ids, lambda counts: counts[:2].all())
    assert found[1] == 4
    assert sorted(read) == sorted(set(read))
    assert len(read) == 200  # among the evenly spaced ones
    read.clear()
    shares.count(1000, lambda index: ids(index + 1), lambda counts: counts[:2].all())
    assert 200 < len(read) < 1000


@pytest.fixture
def masks(tmp_path):
    """A data set of one picture with the given label image."""

    def masks(label):
        for folder in ("images", "labels", "instances"):
            (tmp_path / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / "a.png"), label)
        return tmp_path

    return masks


def test_evaluation_of_masks_without_a_class(masks):
    manifest = Manifest("unet", {"classes": 2}, TWO, (32, 32))

    def graph(pixels):
        return torch.zeros(pixels.shape[:3], dtype=torch.uint8), None

    half = np.zeros((8, 8), np.uint8)
    half[4:] = 255
    for label in (half, np.full((8, 8), 7, np.uint8)):
        with pytest.raises(ValueError, match="expected label images of class ids"):
            SemanticTask(manifest).evaluate(graph, masks(label), "cpu")


def test_data_without_objects(masks):
    manifest = Manifest("mask_rcnn", SMALL_INSTANCE, CAMVID, (32, 32))
    with pytest.raises(ValueError, match="no object of class car, pedestrian, bicyclist with 32 pixels or more in"):
        InstanceTask(manifest).survey(masks(np.full((8, 8), 255, np.uint8)), learn=True)
    root = masks(np.full((8, 8), 9, np.uint8))
    text = InstanceTask(manifest).survey(root, learn=False).lines
    assert [line.split()[:3] for line in text[1:]] == [
        *(["8", "car", "none"], ["9", "pedestrian", "100.000"], ["10", "bicyclist", "none"]),
    ]
    message = (
        r"expected objects of 32 pixels or more of every class to learn from, got none of 8 \(car\), 10 \(bicyclist\), "
        "only ids 9; add pictures of it, or give a classes file without it"
    )
    with pytest.raises(ValueError, match=f"^{root}: {message}$"):
        InstanceTask(manifest).survey(root, learn=True)


def test_what_is_counted_once_weighs_the_loss(masks, monkeypatch):
    label = np.zeros((8, 8), np.uint8)
    label[:2] = 1
    root, task = masks(label), SemanticTask(Manifest("unet", {"classes": 2}, TWO, (32, 32)))
    survey = task.survey(root, learn=True)
    assert survey.counts[:2].tolist() == [48, 16]

    def loss(*counts):
        torch.manual_seed(0)
        logits = torch.randn(1, 2, 8, 8)
        data = task.training_data(root, None, *counts)
        return data.loss(lambda images: {"out": logits}, torch.zeros(1, 3, 8, 8), torch.from_numpy(label)[None])

    counted = loss()
    monkeypatch.setattr("seg_ros.training.semantic_task.count", lambda *_: pytest.fail("counted again"))
    assert loss(survey.counts) == counted
