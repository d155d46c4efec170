"""Label-image folders: pairs, unlabelled ids, what is wrong with a folder; the rendered street; augmentation."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from seg_ros.classes import CAMVID
from seg_ros.scenes import Street
from seg_ros.training.augment import Augment
from seg_ros.training.datasets import load_classes, pairs, read_sample, render_street
from seg_ros.training.labelled import LabelImages, open_labelled
from seg_ros.training.pictures import decoded

CAMVID_VAL = Path(__file__).parents[2] / "../shared/data/camvid/val"


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    root = tmp_path_factory.mktemp("street")
    render_street(root, range(20000, 20002), 2, (120, 160))
    return root


def test_rendered_street_is_the_street(street):
    files = pairs(street)
    assert [image.stem for image, _ in files] == ["020000_0", "020000_1", "020001_0", "020001_1"]
    image, label = read_sample(*files[1], 11)
    scene = Street(20000, (120, 160)).scene(120)
    assert np.array_equal(label, scene.label)
    assert np.abs(image.astype(int) - scene.image).mean() < 4  # JPEG
    assert load_classes(street) == CAMVID


def test_items_are_tensors(street):
    pixels, label = LabelImages(open_labelled(street, CAMVID))[0]
    assert pixels.shape == (120, 160, 3)
    assert label.shape == (120, 160)


def test_ids_beyond_the_classes_are_unlabelled(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 3, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.array([[0, 10, 11], [12, 254, 255]], np.uint8))
    _, label = read_sample(tmp_path / "a.png", tmp_path / "b.png", 11)
    assert label.tolist() == [[0, 10, 255], [255, 255, 255]]


def test_colour_comes_as_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((2, 2, 3), (1, 2, 3), np.uint8))  # written as blue, green, red
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((2, 2), np.uint8))
    image, _ = read_sample(tmp_path / "a.png", tmp_path / "b.png", 11)
    assert image[0, 0].tolist() == [3, 2, 1]


def test_a_palette_leaves_ids_as_they_are(tmp_path):
    label = Image.fromarray(np.uint8([[0, 3], [10, 255]]))
    label.putpalette(bytes(reversed(range(256))) * 3)
    assert label.mode == "P"
    label.save(tmp_path / "a.png")
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((2, 2, 3), np.uint8))
    assert read_sample(tmp_path / "a.jpg", tmp_path / "a.png", 11)[1].tolist() == [[0, 3], [10, 255]]


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no pictures"):
        pairs(tmp_path)
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.jpg"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"a.png: no label image \(1 of 1 are missing\)"):
        pairs(tmp_path)
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "labels/a.png"), np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"a\.png: expected an 8-bit, one-channel image, got uint8 \(2, 2, 3\)"):
        read_sample(*pairs(tmp_path)[0], 11)
    (tmp_path / "images/a.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"a\.jpg: does not decode"):
        read_sample(*pairs(tmp_path)[0], 11)
    with pytest.raises(FileNotFoundError, match="no classes file"):
        load_classes(tmp_path)


def cut_off(stream):
    return stream[: len(stream) // 2]


def overwritten(stream):
    middle = len(stream) // 2
    return stream[:middle] + bytes(range(1, 65)) + stream[middle + 64 :]


@pytest.mark.parametrize("damage", [cut_off, overwritten])
def test_a_damaged_picture_is_named(tmp_path, damage):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    image, label = tmp_path / "images/a.jpg", tmp_path / "labels/a.png"
    cv2.imwrite(str(image), noise)
    cv2.imwrite(str(label), noise[..., 0])
    for file in (image, label):
        whole = file.read_bytes()
        file.write_bytes(damage(whole))
        with pytest.raises(ValueError, match=rf"{file.name}: does not decode: .*; it is cut off or damaged, fetch it"):
            read_sample(image, label, 256)
        file.write_bytes(whole)
    assert read_sample(image, label, 256)[0].shape == (40, 60, 3)


def test_pictures_of_four_inks_are_whole(tmp_path):
    Image.new("CMYK", (60, 40), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    assert (decoded(tmp_path / "a.jpg", cv2.IMREAD_COLOR_RGB)[..., 0] > 200).all()


def test_classes_from_a_file(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"names": ["road", "other"], "colors": [[1, 2, 3], [4, 5, 6]]}))
    assert load_classes(tmp_path, str(tmp_path / "mine.json")).names == ("road", "other")
    assert load_classes(tmp_path, "camvid") == CAMVID


def test_augmented_label_stays_with_its_picture():
    # A picture whose colour is its label: after any geometry the two still agree.
    label = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4), np.ones((40, 40), np.uint8))
    image = np.repeat((label * 20)[..., None], 3, axis=2)
    augment = Augment((100, 130), colour=0.0, noise=0.0)
    agree = []
    for seed in range(30):
        out, ids = augment((image, label), np.random.default_rng(seed))
        assert out.shape == (100, 130, 3)
        assert ids.shape == (100, 130)
        valid = ids != 255
        assert valid.any()
        agree.append((np.abs(out[..., 0].astype(int) - ids * 20)[valid] <= 3).mean())
    assert min(agree) > 0.85  # the rest are mixed pixels along borders
    assert np.mean(agree) > 0.93


def test_augmentation_mirrors_half_of_the_time():
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 200
    label = (image[..., 0] > 0).astype(np.uint8)
    augment = Augment((40, 40), scale=(1.0, 1.0), colour=0.0, noise=0.0)
    mirrored = sum(augment((image, label), np.random.default_rng(s))[1][0, 0] for s in range(200))
    assert 70 < mirrored < 130


def test_colour_changes_the_picture_and_not_the_label():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    label = np.zeros((40, 40), np.uint8)
    out, ids = Augment((40, 40), scale=(1.0, 1.0))((image, label), np.random.default_rng(1))
    assert np.array_equal(ids, label)
    assert np.abs(out.astype(int) - image).mean() > 2


def test_half_of_the_pictures_get_noise_up_to_its_bound():
    grey, label = np.full((40, 40, 3), 128, np.uint8), np.zeros((40, 40), np.uint8)
    augment = Augment((40, 40), scale=(1.0, 1.0), colour=0.0, noise=0.05)
    levels = [augment((grey, label), np.random.default_rng(s))[0].std() for s in range(200)]
    assert 70 < sum(level == 0 for level in levels) < 130
    assert 0.03 * 255 < max(levels) < 0.055 * 255


@pytest.mark.skipif(not CAMVID_VAL.is_dir(), reason="no ../shared/data/camvid here")
def test_camvid_reads():
    files = pairs(CAMVID_VAL)
    assert len(files) == 101
    image, label = read_sample(*files[0], 11)
    assert image.shape == (360, 480, 3)
    assert set(np.unique(label)) <= {*range(11), 255}
