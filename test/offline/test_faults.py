"""Recordings and disks that are not as they should be: what can be labelled is, and the rest is named in a line."""

import json
import os
import resource

import cv2
import lz4.frame
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from seg_ros.offline.messages import types
from seg_ros.ros.cdr import read_image
from test.offline.conftest import FRAMES, image_message
from test.offline.recordings import IMAGE, read_bag, write_bag, write_old_bag


@pytest.fixture
def small_files():
    """Lets no file grow beyond some bytes, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_full_disk_is_said_and_leaves_nothing(storage, pictures, label, tmp_path, capsys, small_files):
    source = write_bag(tmp_path / "drive", pictures * 30, storage)
    small_files(500_000)
    status, _, _ = label(capsys, source, "--output", tmp_path / "out")
    assert isinstance(status, str), status
    assert "\n" not in status
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".lock"]


def test_a_full_disk_among_pictures(label, tmp_path, capsys, small_files):
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), noise)
    small_files(2_000)
    status, _, _ = label(capsys, tmp_path / "photos", "--output", tmp_path / "out", "--overlay")
    assert "File too large" in status
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".lock"]


def test_what_must_not_be_read_or_written(pictures, label, tmp_path, capsys):
    source = write_bag(tmp_path / "in" / "drive", pictures)
    write_bag(tmp_path / "in" / "other", pictures)
    (source / "drive.mcap").chmod(0)
    if os.access(source / "drive.mcap", os.R_OK):
        pytest.skip("this user may read and write everything, as root may")
    status, figures, said = label(capsys, tmp_path / "in", "--output", tmp_path / "out")
    assert (status, figures["skipped"], figures["labelled"]) == (1, 1, FRAMES)
    assert "Permission denied" in said
    (tmp_path / "closed").mkdir(0o500)
    status, _, _ = label(capsys, tmp_path / "in" / "other", "--output", tmp_path / "closed")
    assert "Permission denied" in status


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_bag_that_is_cut_off_is_named(kept, pictures, label, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures)
    file = source / "drive.mcap"
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    status, figures, said = label(capsys, source, "--output", tmp_path / "out")
    assert (status, figures["skipped"]) == (1, 1)
    assert "cannot be read as a bag" in said


def test_images_of_several_sizes_and_unknown_encodings(pictures, label, tmp_path, capsys):
    with Writer(tmp_path / "mixed", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        camera = bag.add_connection("/camera/image_raw", IMAGE, typestore=types())
        for i, picture in enumerate([pictures[0], pictures[1][:50, :70], pictures[2]]):
            bag.write(camera, *image_message(picture, i, "holographic" if i == 2 else "bgr8"))
    status, figures, _ = label(capsys, tmp_path / "mixed", "--output", tmp_path / "out")
    assert (status, figures["labelled"], figures["failed"]) == (0, 2, 1)
    made = [read_image(data) for _, data in read_bag(tmp_path / "out" / "mixed")["/segmentation/label"]]
    assert [(fields.height, fields.width) for fields in made] == [pictures[0].shape[:2], (50, 70)]
    tally = json.loads((tmp_path / "out" / "mixed" / "seg_ros.json").read_text())["tally"]
    assert tally["lost"] == {"encoding": 1}
    assert "holographic" in tally["named"][0][2]


def test_a_bag_without_messages(label, tmp_path, capsys):
    with Writer(tmp_path / "silent", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        bag.add_connection("/camera/image_raw", IMAGE, typestore=types())
    status, figures, said = label(capsys, tmp_path / "silent", "--output", tmp_path / "out")
    assert (status, figures["skipped"]) == (1, 1)
    assert "expected a topic with images, got none" in said


def test_names_that_are_not_utf_8(pictures, label, tmp_path, capsys):
    odd = os.fsdecode(b"caf\xe9")
    write_bag(tmp_path / "drive", pictures)
    (tmp_path / "in").mkdir()
    (tmp_path / "drive").rename(tmp_path / "in" / odd)
    (tmp_path / "in" / "photos").mkdir()
    (tmp_path / "in" / "photos" / f"{odd}.png").write_bytes(cv2.imencode(".png", pictures[0])[1].tobytes())
    (tmp_path / "in" / f"{odd}2.mp4").write_bytes(b"OpenCV would end the process, not only this")
    out = "--output", tmp_path / "out", "--report", "--coco", "--label-studio"
    status, figures, said = label(capsys, tmp_path / "in", *out)
    assert (tmp_path / "out" / "in" / "photos" / "labels" / f"{odd}.png").is_file(), said
    assert len(read_bag(tmp_path / "out" / "in" / odd)["/segmentation/label"]) == FRAMES
    assert (status, figures["labelled"], figures["skipped"]) == (1, 1 + FRAMES, 1)
    assert "opens no video whose name is not UTF-8" in said


def test_links_to_nothing_and_in_circles_and_hidden_files(pictures, label, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), pictures[0])
    (tmp_path / "photos" / "._a.png").write_bytes(b"of macOS")
    (tmp_path / "photos" / "around").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    status, figures, _ = label(capsys, tmp_path / "photos", "--output", tmp_path / "out")
    assert (status, figures["labelled"], figures["failed"]) == (0, 1, 1)
    assert json.loads((tmp_path / "out" / "photos" / "seg_ros.json").read_text())["tally"]["named"][0][1] == "lost.png"


def test_pictures_whose_labels_would_have_one_name(pictures, label, tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for suffix in ("png", "jpg"):
        cv2.imwrite(str(tmp_path / "photos" / f"a.{suffix}"), pictures[0])
    status, _, said = label(capsys, tmp_path / "photos", "--output", tmp_path / "out")
    assert status == 1
    assert "2 pictures are called a" in said


@pytest.mark.parametrize("mode", ["file", "message", "lz4 in mcap"])
def test_what_is_compressed(mode, pictures, label, tmp_path, capsys):
    lz4_in_mcap = mode == "lz4 in mcap"
    storage = StoragePlugin.MCAP if lz4_in_mcap else StoragePlugin.SQLITE3
    writer = Writer(tmp_path / "packed", version=9, storage_plugin=storage)
    if not lz4_in_mcap:
        writer.set_compression(CompressionMode[mode.upper()], CompressionFormat.ZSTD)
    with writer as bag:
        if lz4_in_mcap:  # as the recorder does with `compression: Lz4`
            bag.storage.compression, bag.storage.compressor = "lz4", lz4.frame.compress
        camera = bag.add_connection("/camera/image_raw", IMAGE, typestore=types())
        for i, picture in enumerate(pictures):
            bag.write(camera, *image_message(picture, i))
    status, figures, said = label(capsys, tmp_path / "packed", "--output", tmp_path / "out")
    assert (status, figures["labelled"]) == (0, FRAMES), said


def test_lz4(pictures, label, tmp_path, capsys):
    writer = Writer1(tmp_path / "old.bag")
    writer.set_compression(Writer1.CompressionFormat.LZ4)
    write_old_bag(writer, pictures)
    status, figures, said = label(capsys, tmp_path / "old.bag", "--output", tmp_path / "out")
    assert (status, figures["labelled"]) == (0, FRAMES), said

    # Of ROS 2 there are bags whose messages are packed by a plugin that few have.
    source = write_bag(tmp_path / "new", pictures)
    metadata = (source / "metadata.yaml").read_text()
    metadata = metadata.replace("compression_format: ''", "compression_format: lz4")
    (source / "metadata.yaml").write_text(metadata.replace("compression_mode: ''", "compression_mode: MESSAGE"))
    status, figures, said = label(capsys, source, "--output", tmp_path / "out2")
    assert (status, figures["skipped"]) == (1, 1)
    assert "lz4" in said
