"""The probe as a process, beside a node that is a few messages: what it reports, and its exit status."""

import itertools
import json
import subprocess
import threading

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from sensor_msgs.msg import Image

LABEL = np.zeros((20, 30), np.uint8)
LABEL[:10] = 8  # car
KEYS = ["frames_in", "labels_out", "dropped", "fps", "age_p50_ms", "age_p99_ms", "stages_ms", "engine", "miou", "iou"]


@pytest.fixture
def node(graph):
    """Publishes labels, which are true, their truth, camera images and reports, 20 of each a second."""
    topics = ("/camera/label_truth", "/camera/image_raw", "/node/label")
    publishers = [graph.publisher(Image, topic) for topic in topics]
    reports = graph.publisher(DiagnosticArray, "/diagnostics")
    over = threading.Event()

    def publish():
        for count in itertools.count():
            stamp = graph.client.get_clock().now().to_msg()
            for publisher in publishers:
                message = Image(height=20, width=30, encoding="mono8", step=30, data=LABEL.tobytes())
                message.header.stamp = stamp
                publisher.publish(message)
            values = {"frames_in": 2 * count, "dropped/stale": count, "p50/infer": 4.5, "p50/age": 9, "engine": "eager"}
            status = DiagnosticStatus(name="/node: segmentation", message="segmenting")
            status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
            reports.publish(DiagnosticArray(status=[status]))
            if over.wait(0.05):
                return

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    over.set()
    thread.join()


def test_figures_picture_and_status(node, run, tmp_path):
    common = ("--node", "/node", "--seconds", 60, "--patience", 30, "--output", tmp_path)
    demanding = run("probe", *common, "--min-miou", 1.1, stdout=subprocess.PIPE)
    blind = run("probe", *common, "--truth", "/none", "--require-truth", stdout=subprocess.PIPE)
    lines = demanding.communicate(timeout=60)[0].splitlines()
    figures = json.loads(lines[-1])
    assert list(figures) == KEYS
    assert figures["labels_out"] > 3
    assert figures["frames_in"] == 2 * figures["dropped"]["stale"] > 0
    assert (figures["engine"], figures["stages_ms"]) == ("eager", {"infer": 4.5})
    assert figures["miou"] == figures["iou"]["car"] == 1.0
    assert 0 < figures["age_p50_ms"] <= figures["age_p99_ms"]
    assert cv2.imread(str(tmp_path / "segmentation.png")) is not None
    assert lines[-2] == "FAILED: mIoU 1.000 is below 1.1"
    assert demanding.returncode == 1
    lines = blind.communicate(timeout=60)[0].splitlines()
    assert lines[-2] == "FAILED: no label could be compared with the truth on /none"
    assert json.loads(lines[-1])["miou"] is None
    assert blind.returncode == 1


def test_when_nothing_comes(graph, run):
    process = run("probe", "--node", "/nobody", "--patience", 0.5, "--min-miou", 0, stdout=subprocess.PIPE)
    lines = process.communicate(timeout=30)[0].splitlines()
    assert process.returncode == 1
    assert "/nobody says: nothing" in lines[-3]
    assert lines[-2] == "FAILED: no label came"
    assert list(json.loads(lines[-1])) == KEYS


def test_unknown_weights(run):
    process = run("probe", "--weights", "none", stderr=subprocess.PIPE)
    assert "probe: weights 'none': no such file" in process.communicate(timeout=30)[1]
    assert process.returncode == 1
