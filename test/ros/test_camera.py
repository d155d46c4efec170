"""The camera node: what it publishes of a picture, and the truth with the picture's header."""

import itertools

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from seg_ros.cli.camera import ENCODINGS
from seg_ros.picture import Picture
from seg_ros.ros.camera import FROM_BGR, Camera
from seg_ros.ros.image_io import decode_compressed
from seg_ros.ros.qos import camera_qos
from test.conftest import wait_for

IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
LABEL = np.full((20, 30), 8, np.uint8)
MATRIX = np.array([[25.0, 0.0, 14.5], [0.0, 25.0, 9.5], [0.0, 0.0, 1.0]])
IDS = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100


@pytest.fixture
def publishing(graph):
    """Starts a camera of one picture, over and over."""

    def publishing(*picture, **options):
        pictures = itertools.repeat(Picture(*picture))
        return graph.add(Camera(pictures, namespace="/eye", frame_id="eye", reliable=True, **options))

    return publishing


def test_truth_and_jpeg_have_the_header_of_the_picture(publishing, graph):
    smooth = cv2.GaussianBlur(IMAGE, (0, 0), 5)
    publishing(smooth, LABEL, IDS, MATRIX, encoding="bgr8", compressed=True)
    topics = {"image_raw": camera_qos(True), "label_truth": 10, "instance_truth": 10}
    received = [graph.collect(Image, f"/eye/{name}", qos) for name, qos in topics.items()]
    received.append(graph.collect(CompressedImage, "/eye/image_raw/compressed", camera_qos(True)))
    received.append(graph.collect(CameraInfo, "/eye/camera_info", camera_qos(True)))

    def same_stamp():
        latest = [{m.header.stamp.nanosec: m for m in list(found)} for found in received]
        common = set.intersection(*map(set, latest))
        return [messages[max(common)] for messages in latest] if common else None

    image, label, ids, jpeg, info = wait_for(same_stamp)
    assert image.header == label.header == ids.header == jpeg.header == info.header
    assert (info.height, info.width, info.distortion_model, list(info.d)) == (20, 30, "plumb_bob", [0.0] * 5)
    assert info.k.tolist() == MATRIX.ravel().tolist()
    assert info.p.reshape(3, 4)[:, :3].tolist() == MATRIX.tolist()
    assert info.r.tolist() == np.eye(3).ravel().tolist()
    assert ids.header.frame_id == "eye"
    assert ids.header.stamp.sec > 0
    assert (image.encoding, bytes(image.data)) == ("bgr8", smooth.tobytes())
    assert (label.encoding, bytes(label.data)) == ("mono8", LABEL.tobytes())
    assert (ids.encoding, bytes(ids.data)) == ("16UC1", IDS.tobytes())
    assert np.abs(decode_compressed(jpeg).pixels.astype(int) - smooth).mean() < 3


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_and_no_truth_where_there_is_none(publishing, graph, encoding):
    publishing(IMAGE, encoding=encoding)
    images = graph.collect(Image, "/eye/image_raw", camera_qos(True))
    infos = graph.collect(CameraInfo, "/eye/camera_info", camera_qos(True))
    truths = [graph.collect(Image, f"/eye/{name}_truth") for name in ("label", "instance")]
    wait_for(lambda: len(images) > 2)
    conversion = FROM_BGR[encoding]
    expected = IMAGE if conversion is None else cv2.cvtColor(IMAGE, conversion)
    image = images[0]
    assert (image.encoding, image.height, image.width, image.step) == (encoding, 20, 30, expected[0].nbytes)
    assert bytes(image.data) == expected.tobytes()
    assert truths == [[], []]
    assert infos == []
