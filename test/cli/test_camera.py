"""The camera as a user starts it."""

import signal
import subprocess
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.image_io import decode_compressed
from seg_ros.ros.qos import camera_qos
from test.conftest import wait_for


def test_a_folder_with_truth(graph, run, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), picture)
    cv2.imwrite(str(tmp_path / "labels/a.png"), np.full((20, 30), 3, np.uint8))
    images = graph.collect(Image, "/front/image_raw", camera_qos(True))
    truths = graph.collect(Image, "/front/label_truth")
    jpegs = graph.collect(CompressedImage, "/front/image_raw/compressed", camera_qos(True))
    run(
        "camera", "--source", tmp_path, "--namespace", "/front", "--encoding", "bgr8", "--frame-id", "eye",
        "--qos", "reliable", "--rate", 20, "--size", 40, 60, "--compressed", "--ros-args", "--log-level", "warn",
    )  # fmt: skip
    wait_for(lambda: len(images) > 3 and len(truths) > 3 and jpegs, 30)
    image = images[-1]
    assert (image.header.frame_id, image.encoding, image.height, image.width) == ("eye", "bgr8", 40, 60)
    expected = cv2.resize(picture, (60, 40), interpolation=cv2.INTER_AREA)
    assert bytes(image.data) == expected.tobytes()
    assert set(truths[-1].data) == {3}
    assert {t.header.stamp.nanosec for t in truths} & {i.header.stamp.nanosec for i in images}
    assert np.abs(decode_compressed(jpegs[-1]).pixels.astype(int) - expected).mean() < 60


def test_a_signal_in_mid_publishing_ends_it_quietly(run):
    cameras = [run("camera", "--rate", 200, "--namespace", f"/eye{i}", stderr=subprocess.PIPE) for i in range(2)]
    for camera in cameras:
        assert "publishing street" in camera.stderr.readline()
    time.sleep(0.5)
    for camera, number in zip(cameras, (signal.SIGTERM, signal.SIGINT), strict=True):
        camera.send_signal(number)
    for camera in cameras:
        rest = camera.communicate(timeout=20)[1]
        assert camera.returncode == 0
        assert "Traceback" not in rest


def test_pictures_made_ahead_come_again_each_with_its_truth(graph, run):
    images = graph.collect(Image, "/ahead/image_raw", camera_qos(True))
    truths = graph.collect(Image, "/ahead/label_truth")
    run("camera", "--ahead", 3, "--rate", 20, "--size", 64, 96, "--qos", "reliable", "--namespace", "/ahead")
    wait_for(lambda: len(images) > 9 and len(truths) > 9, 60)

    def stamped(messages):
        return {(m.header.stamp.sec, m.header.stamp.nanosec): bytes(m.data) for m in messages}

    pictures, labels = stamped(list(images)), stamped(list(truths))
    pairs = {(pictures[stamp], labels[stamp]) for stamp in pictures.keys() & labels.keys()}
    assert len(pairs) == len({picture for picture, _ in pairs}) == 3


def test_it_ends_with_its_source(run, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    ends = run("camera", "--source", tmp_path, "--no-loop", "--rate", 100)
    (tmp_path / "broken").mkdir()
    cv2.imwrite(str(tmp_path / "broken/a.png"), np.zeros((20, 30, 3), np.uint8))
    (tmp_path / "broken/b.png").write_bytes(b"no picture")
    fails = run("camera", "--source", tmp_path / "broken", "--rate", 100, stderr=subprocess.PIPE)
    assert ends.wait(30) == 0
    assert "b.png: does not decode" in fails.communicate(timeout=30)[1]
    assert fails.returncode == 1


def test_what_does_not_open_is_named(run, tmp_path):
    camera = run("camera", "--source", tmp_path / "none", stderr=subprocess.PIPE)
    message = camera.communicate(timeout=30)[1]
    assert message.startswith(f"camera: {tmp_path}/none: expected 'street', a folder of pictures")
    assert "usage" not in message
    assert camera.returncode == 2
