"""The command `label` on real recordings: contents, stamps, and what is refused."""

import json

import cv2
import numpy as np
import pytest
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer

from seg_ros.offline.progress import Lines
from seg_ros.results import Wanted
from seg_ros.ros.cdr import read_image, write_compressed
from seg_ros.ros.pixels import image_frame
from seg_ros.segmenter import Segmenter
from seg_ros.tracking import Smoother
from test.conftest import wait_for
from test.offline.conftest import FRAMES, image_message
from test.offline.recordings import COMPRESSED, IMAGE, TEXT, TYPES, read_bag, write_bag, write_old_bag


@pytest.fixture(scope="module")
def expected(pictures, small_weights):
    """The labels of the pictures."""
    net = Segmenter.open(small_weights, engine="eager")
    return [net(picture, Wanted(confidence=False)).label for picture in pictures]


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_bag_keeps_its_messages_and_gets_the_labels_of_the_network(
    storage, pictures, expected, label, tmp_path, capsys
):
    source = write_bag(tmp_path / "drive", pictures, storage)
    status, figures, _ = label(capsys, source, "--output", tmp_path / "out")
    assert status == 0
    assert {k: figures[k] for k in ("inputs", "frames", "labelled", "failed", "skipped", "resumed")} == {
        "inputs": 1, "frames": FRAMES, "labelled": FRAMES, "failed": 0, "skipped": 0, "resumed": 0
    }  # fmt: skip
    before, after = read_bag(source), read_bag(tmp_path / "out" / "drive")
    assert {topic: after[topic] for topic in before} == before
    labels = after["/segmentation/label"]
    assert [time for time, _ in labels] == [time for time, _ in before["/camera/image_raw"]]
    for i, ((_, data), label_) in enumerate(zip(labels, expected, strict=True)):
        fields = read_image(data)
        assert (fields.stamp, fields.frame_id, fields.encoding) == ((7, i), "camera", "mono8")
        assert np.array_equal(np.frombuffer(fields.data, np.uint8).reshape(fields.height, fields.width), label_)
    assert len(after["/segmentation/label_info"]) == 1
    suffix = {StoragePlugin.MCAP: ".mcap", StoragePlugin.SQLITE3: ".db3"}[storage]
    stored = sorted(path.name for path in (tmp_path / "out" / "drive").iterdir())
    assert stored == [f"drive{suffix}", "metadata.yaml", "seg_ros.json"]
    label(capsys, tmp_path / "out" / "drive", "--output", tmp_path / "again")
    assert read_bag(tmp_path / "again" / "drive") == after  # not the labels of both


def test_labels_are_held_still_if_that_is_wanted(pictures, label, tmp_path, capsys):
    net, smoother = Segmenter.open("unet_street", engine="eager"), Smoother()
    found = [net(picture) for picture in pictures]
    still = [smoother.update(7 + 1e-9 * i, found[i], picture) for i, picture in enumerate(pictures)]
    assert any((one.label != other.label).any() for one, other in zip(found, still, strict=True))
    source = write_bag(tmp_path / "drive", pictures)
    arguments = "--output", tmp_path / "out", "--only-labels", "--confidence", "--smooth"
    status, figures, said = label(capsys, source, *arguments, weights="unet_street")
    assert (status, figures["labelled"]) == (0, FRAMES), said
    after = read_bag(tmp_path / "out" / "drive")
    for name in ("label", "confidence"):
        made = [np.frombuffer(read_image(data).data, np.uint8) for _, data in after[f"/segmentation/{name}"]]
        assert all(map(np.array_equal, made, (getattr(each, name).reshape(-1) for each in still)))


def test_a_ros_1_bag_becomes_a_ros_2_bag(pictures, label, tmp_path, capsys):
    write_old_bag(Writer1(tmp_path / "old.bag"), pictures)
    status, figures, said = label(capsys, tmp_path / "old.bag", "--output", tmp_path / "out")
    assert (status, figures["labelled"]) == (0, FRAMES), said
    after = read_bag(tmp_path / "out" / "old")
    frames = [image_frame(read_image(data)) for _, data in after["/camera/image_raw"]]
    assert [frame.stamp for frame in frames] == [(7, i) for i in range(FRAMES)]
    assert all(np.array_equal(frame.pixels, picture) for frame, picture in zip(frames, pictures, strict=True))
    assert len(after["/segmentation/label"]) == FRAMES


def test_of_a_camera_that_is_recorded_twice_the_raw_images_are_labelled(pictures, label, tmp_path, capsys):
    with Writer(tmp_path / "two", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        raw = bag.add_connection("/front/image_raw", IMAGE, typestore=TYPES)
        jpeg = bag.add_connection("/front/image_raw/compressed", COMPRESSED, typestore=TYPES)
        rear = bag.add_connection("/rear/image_raw/compressed", COMPRESSED, typestore=TYPES)
        for i, picture in enumerate(pictures):
            time, data = image_message(picture, i)
            stream = cv2.imencode(".jpg", picture)[1].reshape(-1)
            bag.write(raw, time, data)
            for each in (jpeg, rear):
                bag.write(each, time, write_compressed((7, i), "camera", "jpeg", stream))
    arguments = "--output", tmp_path / "out", "--only-labels"
    assert label(capsys, tmp_path / "two", *arguments)[1]["labelled"] == 2 * FRAMES
    assert sorted(read_bag(tmp_path / "out" / "two")) == [
        "/segmentation/front/label", "/segmentation/label_info", "/segmentation/rear/label"
    ]  # fmt: skip


def test_pictures_and_videos_give_pictures(pictures, expected, label, tmp_path, capsys):
    (tmp_path / "in" / "photos").mkdir(parents=True)
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / "in" / "photos" / f"p{i}.png"), picture)
    (tmp_path / "in" / "photos" / "torn.png").write_bytes(b"no picture")
    film = cv2.VideoWriter(
        str(tmp_path / "in" / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, pictures[0].shape[1::-1]
    )
    for picture in pictures:
        film.write(picture)
    film.release()
    status, figures, said = label(capsys, tmp_path / "in", "--output", tmp_path / "out", "--confidence")
    assert (status, figures["inputs"], figures["labelled"], figures["failed"]) == (0, 2, 2 * FRAMES, 1)
    assert "frames lost: 1, corrupt" in said
    for i, label_ in enumerate(expected):
        file = tmp_path / "out" / "in" / "photos" / "labels" / f"p{i}.png"
        assert np.array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), label_)
    assert len(list((tmp_path / "out" / "in" / "film" / "confidence").glob("*.png"))) == FRAMES
    manifest = json.loads((tmp_path / "out" / "in" / "photos" / "seg_ros.json").read_text())
    assert manifest["tally"]["named"] == [["photos", "torn.png", "corrupt: OpenCV cannot read it"]]


def test_a_video_that_is_cut_off_is_labelled_as_far_as_it_goes_and_named(pictures, label, tmp_path, capsys):
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, pictures[0].shape[1::-1])
    for picture in pictures * 3:
        writer.write(picture)
    writer.release()
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    status, figures, said = label(capsys, film, "--output", tmp_path / "out")
    assert (status, 0 < figures["labelled"] < 3 * FRAMES) == (1, True)
    ends = f"it ends after {figures['frames']} of the {3 * FRAMES} frames"
    assert ends in said
    status, figures, said = label(capsys, film, "--output", tmp_path / "out")  # again: what is wrong is not mended
    assert (status, figures["resumed"], ends in said) == (1, 1, True)


def test_every_frame_is_labelled_or_named(pictures, label, tmp_path, capsys):
    write_bag(tmp_path / "drive", pictures, damage=(1,))
    status, figures, _ = label(capsys, tmp_path / "drive", "--output", tmp_path / "out")
    assert (status, figures["frames"], figures["labelled"], figures["failed"]) == (0, FRAMES, FRAMES - 1, 1)
    tally = json.loads((tmp_path / "out" / "drive" / "seg_ros.json").read_text())["tally"]
    assert tally["lost"] == {"cdr": 1}
    assert tally["named"][0][:2] == ["/camera/image_raw", 1_100_000_000]


def test_what_is_readable_of_a_damaged_bag_is_labelled(pictures, label, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures, StoragePlugin.SQLITE3)
    (file,) = source.glob("*.db3")
    data = bytearray(file.read_bytes())
    data[len(data) * 2 // 3 :] = b"\xff" * len(data[len(data) * 2 // 3 :])
    file.write_bytes(data)
    status, figures, said = label(capsys, source, "--output", tmp_path / "out")
    assert status == 1
    assert "damaged" in said or "cannot be read" in said
    assert figures["labelled"] < FRAMES


def test_what_cannot_be_done_is_said_in_a_line(pictures, label, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures)
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.mcap").write_bytes(b"no bag")
    with Writer(tmp_path / "silent", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        bag.add_connection("/chatter", TEXT, typestore=TYPES)
    out = "--output", tmp_path / "out"
    for arguments, word in [
        ((tmp_path / "nowhere", *out), "no such file"),
        ((tmp_path / "empty", *out), "expected a bag, a video or pictures"),
        ((source, "--output", source / "out"), "inside the input"),
        ((source, tmp_path / "drive", *out), "rename one"),
    ]:
        status, _, _ = label(capsys, *arguments)
        assert word in status
    for arguments, word in [
        ((tmp_path / "torn.mcap", *out), "cannot be read as a bag"),
        ((tmp_path / "silent", *out), "expected a topic with images, got none"),
        ((source, *out, "--topics", "/rear"), "it has on /camera/image_raw"),
    ]:
        status, figures, said = label(capsys, *arguments)
        assert (status, figures["skipped"]) == (1, 1)
        assert word in said
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".lock"]


def test_depth_is_named_and_not_labelled(pictures, label, tmp_path, capsys):
    depth = np.full(pictures[0].shape[:2], 1500, np.uint16)
    with Writer(tmp_path / "rgbd", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        color = bag.add_connection("/camera/color/image_raw", IMAGE, typestore=TYPES)
        near = bag.add_connection("/camera/depth/image_raw", IMAGE, typestore=TYPES)
        packed = bag.add_connection("/camera/aligned/compressedDepth", COMPRESSED, typestore=TYPES)
        for i, picture in enumerate(pictures):
            bag.write(color, *image_message(picture, i))
            bag.write(near, *image_message(depth, i, "16UC1"))
            data = write_compressed((7, i), "camera", "16UC1; compressedDepth png", np.zeros(40, np.uint8))
            bag.write(packed, 1_000_000_000 + i, data)
    out = "--output", tmp_path / "out", "--overlay"
    status, figures, said = label(capsys, tmp_path / "rgbd", *out)
    assert (status, figures["frames"], figures["failed"]) == (0, FRAMES, 0)
    assert "/camera/aligned/compressedDepth, /camera/depth/image_raw: distances, not labelled" in said
    after = read_bag(tmp_path / "out" / "rgbd")
    assert len(after["/segmentation/label"]) == len(after["/segmentation/overlay/compressed"]) == FRAMES


def test_progress_is_a_line_of_json_a_second():
    times, lines = iter([0.0, 0.0, 0.4, 1.0, 1.0, 1.5, 2.0]), []
    progress = Lines(lines.append, lambda: next(times))
    progress.expect(10)
    progress.begin("drive")
    progress.step()
    progress.step()
    progress.say("a word")
    first, second, third = map(json.loads, lines)
    assert (first["file"], first["of"], first["frames"]) == ("drive", 10, 0)
    assert (second["frames"], second["fps"], second["eta"]) == (2, 2.0, 4.0)
    assert third["message"] == "a word"


def test_the_labels_are_those_of_the_live_node(pictures, label, serving, graph, tmp_path, capsys):
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import Image

    _, camera, labels = serving
    label(capsys, write_bag(tmp_path / "drive", pictures), "--output", tmp_path / "out")
    recorded = read_bag(tmp_path / "out" / "drive")
    for (_, image), (_, made) in zip(recorded["/camera/image_raw"], recorded["/segmentation/label"], strict=True):
        labels.clear()
        camera.publish(deserialize_message(image, Image))
        live = serialize_message(wait_for(lambda: labels and labels[0]))  # whose bytes between fields may be any
        assert read_image(live) == read_image(made)


def test_the_demo_of_a_recording(tmp_path, capsys, small_weights):
    from seg_ros.cli import bag_demo

    arguments = ["--seconds", "1", "--output", str(tmp_path / "demo"), "--engine", "eager"]
    with pytest.raises(SystemExit):  # what is not trained is not good
        bag_demo.main([*arguments, "--weights", str(small_weights)])
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["labelled"] == 30
    assert 0.0 < figures["miou"] < 0.75


def test_objects_give_their_ids(pictures, label, small_instance_weights, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures)
    status, _, _ = label(capsys, source, "--output", tmp_path / "out", weights=small_instance_weights)
    assert status == 0
    ids = read_image(read_bag(tmp_path / "out" / "drive")["/segmentation/instance_ids"][0][1])
    assert (ids.encoding, ids.height, ids.width) == ("16UC1", *pictures[0].shape[:2])
