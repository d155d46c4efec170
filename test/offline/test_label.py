"""The command `label` on real recordings: contents, stamps, resuming, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from seg_ros.offline.inputs import content
from seg_ros.offline.progress import Lines
from seg_ros.results import Wanted
from seg_ros.ros.cdr import read_image, write_compressed
from seg_ros.ros.pixels import image_frame
from seg_ros.segmenter import Segmenter
from test.conftest import wait_for
from test.offline.conftest import FRAMES, image_message

TYPES = get_typestore(Stores.ROS2_KILTED)
IMAGE, COMPRESSED, TEXT = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"


def text(words):
    return TYPES.serialize_cdr(TYPES.types[TEXT](words), TEXT)


def write_bag(path, pictures, storage=StoragePlugin.MCAP, damage=()):
    """Images, and a text between them; of the images in `damage` the data are cut off."""
    with Writer(path, version=9, storage_plugin=storage) as bag:
        image = bag.add_connection("/camera/image_raw", IMAGE, typestore=TYPES)
        words = bag.add_connection("/chatter", TEXT, typestore=TYPES)
        for i, picture in enumerate(pictures):
            time, data = image_message(picture, i)
            bag.write(image, time, data[:-50] if i in damage else data)
            bag.write(words, time + 1, text(f"hello {i}"))
    return path


def read_bag(path):
    """All messages by topic: `(log time, data)`."""
    found = {}
    with AnyReader([path], default_typestore=TYPES) as bag:
        for connection, time, data in bag.messages():
            found.setdefault(connection.topic, []).append((time, bytes(data)))
    return found


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


def test_a_ros_1_bag_becomes_a_ros_2_bag(pictures, label, tmp_path, capsys):
    store = get_typestore(Stores.ROS1_NOETIC)
    of = store.types
    with Writer1(tmp_path / "old.bag") as bag:
        connection = bag.add_connection("/camera/image_raw", IMAGE, typestore=store)
        for i, picture in enumerate(pictures):
            header = of["std_msgs/msg/Header"](i, of["builtin_interfaces/msg/Time"](7, i), "camera")
            height, width = picture.shape[:2]
            message = of[IMAGE](header, height, width, "bgr8", 0, 3 * width, picture.reshape(-1))
            bag.write(connection, 10**9 + i, store.serialize_ros1(message, IMAGE))
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
    assert "1 frames lost, corrupt" in said
    for i, label_ in enumerate(expected):
        file = tmp_path / "out" / "in" / "photos" / "labels" / f"p{i}.png"
        assert np.array_equal(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), label_)
    assert len(list((tmp_path / "out" / "in" / "film" / "confidence").glob("*.png"))) == FRAMES
    manifest = json.loads((tmp_path / "out" / "in" / "photos" / "seg_ros.json").read_text())
    assert manifest["tally"]["named"] == [["photos", "torn.png", "corrupt: OpenCV cannot read it"]]


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


def test_the_same_command_goes_on_where_it_was(pictures, label, tmp_path, capsys):
    for name in ("a", "b"):
        write_bag(tmp_path / "in" / name, pictures)
    arguments = tmp_path / "in", "--output", tmp_path / "out"
    assert label(capsys, *arguments)[1]["labelled"] == 2 * FRAMES
    shutil.rmtree(tmp_path / "out" / "in" / "b")
    (tmp_path / "out" / "in" / ".b.partial").mkdir()  # as a run that was killed leaves it
    done = os.stat(tmp_path / "out" / "in" / "a" / "seg_ros.json").st_mtime_ns
    status, figures, _ = label(capsys, *arguments)
    assert (status, figures["labelled"], figures["resumed"]) == (0, FRAMES, 1)
    assert os.stat(tmp_path / "out" / "in" / "a" / "seg_ros.json").st_mtime_ns == done
    assert sorted(p.name for p in (tmp_path / "out" / "in").iterdir()) == ["a", "b"]

    status, figures, said = label(capsys, *arguments, "--confidence")  # another output
    assert (status, figures["skipped"], figures["labelled"]) == (1, 2, 0)
    assert "confidence was False and is True" in said
    assert "--force" in said
    assert label(capsys, *arguments, "--confidence", "--force")[1]["labelled"] == 2 * FRAMES


def test_an_input_that_changed_is_not_taken_for_done(pictures, label, tmp_path, capsys):
    source = write_bag(tmp_path / "drive", pictures)
    before = content(sorted(source.iterdir()))
    arguments = source, "--output", tmp_path / "out"
    label(capsys, *arguments)
    shutil.rmtree(source)
    write_bag(source, pictures[::-1])
    assert content(sorted(source.iterdir())) != before
    status, _, said = label(capsys, *arguments)
    assert status == 1
    assert "content was" in said


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


def test_a_run_that_is_killed_is_finished_by_the_next(pictures, label, small_weights, tmp_path, capsys):
    write_bag(tmp_path / "in" / "a", pictures)
    write_bag(tmp_path / "in" / "b", pictures * 500)
    command = [sys.executable, "-m", "seg_ros.cli.label", tmp_path / "in", "--output", tmp_path / "out"]
    options = ["--weights", small_weights, "--engine", "eager", "--log", "json"]
    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as process:
        wait_for((tmp_path / "out" / "in" / ".b.partial").exists, 60.0)
        process.kill()
    assert sorted(p.name for p in (tmp_path / "out" / "in").iterdir()) == [".b.partial", "a"]
    status, figures, _ = label(capsys, tmp_path / "in", "--output", tmp_path / "out")
    assert (status, figures["resumed"], figures["labelled"]) == (0, 1, 500 * FRAMES)
    assert sorted(p.name for p in (tmp_path / "out" / "in").iterdir()) == ["a", "b"]


def tree(folder):
    """All files of a folder with their contents."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def children(pid):
    """The workers that a run has started."""
    text = "".join(file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/children"))
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in text.split()}
    return [child for child, command in commands.items() if b"spawn_main" in command]


def test_workers_make_the_same_and_may_be_killed(pictures, label, small_weights, tmp_path, capsys):
    for name in ("a", "b"):
        write_bag(tmp_path / "in" / name, pictures * 150)
    label(capsys, tmp_path / "in", "--output", tmp_path / "alone")
    command = [sys.executable, "-m", "seg_ros.cli.label", tmp_path / "in", "--output", tmp_path / "out"]
    options = ["--weights", small_weights, "--engine", "eager", "--quiet", "--workers", "2"]
    partials = [tmp_path / "out" / "in" / f".{name}.partial" for name in ("a", "b")]

    def at_work():
        return all(path.exists() for path in partials)

    with subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL) as driver:
        wait_for(at_work, 60.0)
        workers = children(driver.pid)
        driver.kill()
    assert len(workers) == 2
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), 10.0)

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, *options], **pipes) as driver:
        wait_for(lambda: len(children(driver.pid)) == 2, 60.0)
        tokens = {path: os.listdir(path) for path in partials if path.exists()}
        wait_for(lambda: at_work() and all(os.listdir(p) != tokens.get(p) for p in partials), 60.0)
        os.kill(children(driver.pid)[0], signal.SIGKILL)
        figures, said = driver.communicate(timeout=120)
    assert driver.returncode == 0, said
    figures = json.loads(figures)
    assert (figures["workers"], figures["labelled"], figures["skipped"]) == (2, 300 * FRAMES, 0)
    assert "once more, for its worker died" in said
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")


def test_two_runs_do_not_write_one_folder(pictures, label, tmp_path, capsys):
    import fcntl

    source = write_bag(tmp_path / "drive", pictures)
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        status, _, _ = label(capsys, source, "--output", tmp_path / "out")
    assert "another run is at work" in status


def test_the_labels_are_those_of_the_live_node(pictures, label, serving, graph, tmp_path, capsys):
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import Image

    from test.conftest import wait_for

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
