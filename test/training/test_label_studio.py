"""Exports of Label Studio: which annotation counts, names of pictures, and what is no export."""

import json

import cv2
import numpy as np
import pytest

from seg_ros.classes import ClassMap
from seg_ros.offline.label_studio import encode
from seg_ros.training.annotations import named_classes
from seg_ros.training.label_studio import LabelStudioPictures, decode

SIZE = (9, 13)
CLASSES = ClassMap(("road", "car"), ((0, 0, 0), (1, 1, 1)), frozenset({1}))


def region(mask, name="car", **changes):
    size = {"original_height": SIZE[0], "original_width": SIZE[1]}
    return {"type": "brushlabels", **size, "value": {"rle": encode(mask).tolist(), "brushlabels": [name]}} | changes


@pytest.fixture
def masks():
    return (np.random.default_rng(0).random((2, *SIZE)) > 0.5).astype(np.uint8)


@pytest.fixture
def write(tmp_path):
    def write(*tasks):
        (tmp_path / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / "a b.png"), np.zeros((*SIZE, 3), np.uint8))
        (tmp_path / "label_studio.json").write_text(json.dumps(tasks))
        return tmp_path

    return write


@pytest.mark.parametrize("url", ["/data/local-files/?d=film/images/a%20b.png", "/data/upload/3/0a1b2c3d-a%20b.png"])
def test_the_newest_annotation_counts(url, masks, write):
    annotations = [
        {"updated_at": "2026-02-01T00:00:00Z", "result": [region(masks[0]), region(masks[1], "road")]},
        {"updated_at": "2026-01-01T00:00:00Z", "result": [region(masks[1])]},
        {"updated_at": "2026-03-01T00:00:00Z", "was_cancelled": True, "result": []},
    ]
    root = write({"data": {"image": url}, "annotations": annotations}, {"data": {"image": "b.png"}, "predictions": []})
    pictures = LabelStudioPictures(root, CLASSES)
    assert [file.name for file in pictures.files] == ["a b.png"]
    assert pictures.names == {"road", "car"}
    truth = pictures.read(0)[1]
    assert truth.class_id.tolist() == [1]  # a road is no thing
    assert np.array_equal(truth.masks[0], masks[0])
    assert named_classes(root).names == ("car", "road")


def test_bytes_that_are_not_repeated():
    # rle-pack: a head, then a block of 0, one of the four lengths, and the words themselves.
    pixels = [0, 0, 0, 255, 9, 9, 9, 0]
    fields = [(8, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4), (0, 1), (1, 2), (7, 4), *((word, 8) for word in pixels)]
    bits = "".join(f"{value:0{count}b}" for value, count in fields)
    runs = [int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8)]
    assert decode(runs, (1, 2)).tolist() == [[1, 0]]
    for cut in range(len(runs)):
        with pytest.raises(ValueError, match="expected run lengths of"):
            decode(runs[:cut], (1, 2))
    with pytest.raises(ValueError, match="got those of 2 px"):
        decode(runs, (1, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "rectanglelabels"}, "drawn by the brush, got one of type 'rectanglelabels'"),
        ({"value": {"rle": [1], "brushlabels": ["cow"]}}, "label 'cow' is no class; the classes are road, car"),
        ({"value": {"rle": [300], "brushlabels": ["car"]}}, "expected Label Studio's"),
        ({"value": {"rle": [0, 0, 0, 4], "brushlabels": ["car"]}}, "expected run lengths of"),
        ({"value": {}}, "'brushlabels' is missing"),
        ({"original_height": 8}, "as annotated, got"),
    ],
)
def test_what_does_not_fit_is_said(change, message, masks, write):
    root = write({"data": {"image": "a b.png"}, "annotations": [{"result": [region(masks[0], **change)]}]})
    with pytest.raises(ValueError, match=message) as caught:
        LabelStudioPictures(root, CLASSES).read(0)
    assert "label_studio.json" in str(caught.value) or "a b.png" in str(caught.value)


def test_predictions_alone_are_no_truth(write):
    with pytest.raises(ValueError, match="got no annotations; correct the predictions"):
        LabelStudioPictures(write({"data": {"image": "a b.png"}, "predictions": []}), CLASSES)
