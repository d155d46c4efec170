"""The executables as a user starts them: camera, node and probe, each a process, on a real graph."""

import json
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import CompressedImage, Image

from seg_ros import demo
from seg_ros.ros.image_io import decode_compressed
from seg_ros.ros.qos import camera_qos
from test.conftest import wait_for


@pytest.fixture
def run(ros_env):
    """Starts `python -m seg_ros.NAME`; what still runs at the end is killed."""
    processes = []

    def run(name, *arguments, **options):
        command = [sys.executable, "-m", f"seg_ros.{name}", *map(str, arguments)]
        processes.append(subprocess.Popen(command, env=ros_env, text=True, **options))
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # gently first: a killed node stays in the graph for seconds
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_camera_and_node_are_two_processes(graph, run, small_weights):
    images = graph.collect(Image, "/camera/image_raw", camera_qos(False))
    labels = graph.collect(Image, "/segmentation/label")
    run("camera", "--size", 160, "120", "--frame-id", "eye")
    node = run(
        "node", "--ros-args", "-p", f"weights:={small_weights}", "-p", "engine:=eager",
        "-p", "input_topic:=/camera/image_raw",
    )  # fmt: skip

    def stamp(message):
        return message.header.stamp.sec, message.header.stamp.nanosec

    def matches():  # the client may find the camera later than the node does
        sent = {stamp(image) for image in list(images)}
        found = [label for label in list(labels) if stamp(label) in sent]
        return found if len(found) >= 5 else []

    matched = wait_for(matches, 60)
    for label in matched:
        assert (label.header.frame_id, label.height, label.width, label.step) == ("eye", 120, 160, 160)
    node.send_signal(signal.SIGINT)
    assert node.wait(10) == 0


def call(graph, kind, service, request):
    client = graph.client.create_client(kind, service)
    assert client.wait_for_service(30)
    # The request is repeated: one may go to a node of the test before, which the graph has not forgotten yet.
    futures = []

    def answer():
        futures.append(client.call_async(request))
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            done = [f for f in futures if f.done()]
            if done:
                return done
            time.sleep(0.01)
        return []

    return wait_for(answer, 30)[0].result()


def test_node_answers_life_cycle_services(graph, run, small_weights):
    run("node", "--ros-args", "-p", f"weights:={small_weights}", "-p", "engine:=eager", "-p", "autostart:=false")

    def state():
        return call(graph, GetState, "/segmentation/get_state", GetState.Request()).current_state.label

    def change(transition):
        request = ChangeState.Request()
        request.transition.label = transition
        return call(graph, ChangeState, "/segmentation/change_state", request).success

    assert state() == "unconfigured"
    for _ in range(2):
        assert change("configure")
        assert state() == "inactive"
        assert change("activate")
        assert state() == "active"
        assert not change("configure")  # no such transition from here
        assert state() == "active"
        assert change("deactivate")
        assert change("cleanup")
    assert state() == "unconfigured"


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "mono8"])
def test_camera_publishes_a_folder(graph, run, tmp_path, encoding):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), picture)
    cv2.imwrite(str(tmp_path / "labels/a.png"), np.full((20, 30), 3, np.uint8))
    images = graph.collect(Image, "/front/image_raw", camera_qos(True))
    truths = graph.collect(Image, "/front/label_truth")
    jpegs = graph.collect(CompressedImage, "/front/image_raw/compressed", camera_qos(True))
    run(
        "camera", "--source", tmp_path, "--namespace", "/front", "--encoding", encoding,
        "--qos", "reliable", "--rate", 20, "--compressed",
    )  # fmt: skip
    wait_for(lambda: len(images) > 3 and len(truths) > 3 and jpegs, 30)
    image = images[-1]
    assert (image.encoding, image.height, image.width) == (encoding, 20, 30)
    expected = {
        "bgr8": picture,
        "rgb8": picture[..., ::-1],
        "mono8": cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),
    }[encoding]
    assert bytes(image.data) == expected.tobytes()
    assert set(truths[-1].data) == {3}
    assert {t.header.stamp.nanosec for t in truths} & {i.header.stamp.nanosec for i in images}
    assert np.abs(decode_compressed(jpegs[-1]).pixels.astype(int) - picture).mean() < 60


def test_sigterm_ends_a_camera_in_mid_publishing_quietly(run):
    for _ in range(3):
        camera = run("camera", "--rate", 200, "--size", 640, 480, stderr=subprocess.PIPE)
        line = camera.stderr.readline()
        assert "publishing street" in line
        time.sleep(0.5)
        camera.terminate()
        rest = camera.communicate(timeout=20)[1]
        assert camera.returncode == 0
        assert "Traceback" not in rest


def test_camera_ends_with_its_source(run, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    assert run("camera", "--source", tmp_path, "--no-loop", "--rate", 100).wait(30) == 0


def test_camera_says_what_does_not_open(run, tmp_path):
    camera = run("camera", "--source", tmp_path / "none", stderr=subprocess.PIPE)
    assert "expected 'street', a folder of pictures" in camera.communicate(timeout=30)[1]
    assert camera.returncode == 2


def test_demo_chooses_a_transport_that_images_fit_into(monkeypatch):
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE", "ROS_DISTRO"):
        monkeypatch.delenv(name, raising=False)
    assert demo.environment()["FASTDDS_DEFAULT_PROFILES_FILE"].endswith("config/fastdds.xml")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", "mine.xml")
    assert demo.environment()["FASTDDS_DEFAULT_PROFILES_FILE"] == "mine.xml"


@pytest.mark.parametrize(("min_miou", "status"), [("0.0", 0), ("1.0", 1)])
def test_demo_judges(run, small_weights, tmp_path, min_miou, status):
    process = run(
        "demo", "--weights", small_weights, "--engine", "eager", "--seconds", 3, "--min-miou", min_miou,
        stdout=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    lines = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == status
    figures = json.loads(lines[-1])
    assert {"frames_in", "labels_out", "dropped", "fps", "age_p50_ms", "age_p99_ms"} <= figures.keys()
    assert figures["labels_out"] > 5
    assert figures["engine"] == "eager"
    assert 0 <= figures["miou"] < 1
    assert figures["iou"].keys() >= {"road", "car"}
    assert cv2.imread(str(tmp_path / "demo/segmentation.png")) is not None
    assert any("FAILED: mIoU" in line for line in lines) is bool(status)


@pytest.mark.parametrize(("min_ap50", "status"), [("0.0", 0), ("1.0", 1)])
def test_demo_judges_objects(run, small_instance_weights, tmp_path, min_ap50, status):
    process = run(
        "demo", "--weights", small_instance_weights, "--engine", "eager", "--seconds", 3, "--min-ap50", min_ap50,
        stdout=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    lines = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == status
    figures = json.loads(lines[-1])
    assert figures["labels_out"] > 5
    assert {"mask_ap", "mask_ap50", "mask_ap75", "box_ap", "box_ap50", "box_ap75"} <= figures.keys()
    assert 0 <= figures["mask_ap50"] < 1
    assert figures["ap"].keys() == {"car", "pedestrian", "bicyclist"}
    assert cv2.imread(str(tmp_path / "demo/segmentation.png")) is not None
    assert any("FAILED: mask AP50" in line for line in lines) is bool(status)


def test_demo_ends_when_the_node_cannot_configure(run, tmp_path, small_weights):
    process = run(
        "demo", "--weights", small_weights, "--engine", "warp", "--seconds", 3,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    out = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "configure failed" in out
    assert "no label came" in out
