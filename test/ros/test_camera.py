"""The camera node: what it publishes of a picture, and the truth with the picture's header."""

import itertools
from argparse import Namespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.camera import Camera
from seg_ros.ros.image_io import decode_compressed
from seg_ros.ros.qos import camera_qos
from seg_ros.sources import Picture
from test.conftest import wait_for

IMAGE = np.full((20, 30, 3), 50, np.uint8)
LABEL = np.full((20, 30), 8, np.uint8)
IDS = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100


@pytest.fixture
def publishing(graph):
    """Starts a camera of one picture, over and over."""

    def publishing(*picture, encoding="bgr8", compressed=False):
        args = Namespace(
            namespace="/eye",
            frame_id="eye",
            source="a test",
            rate=30.0,
            encoding=encoding,
            qos="reliable",
            compressed=compressed,
        )
        return graph.add(Camera(itertools.repeat(Picture(*picture)), args))

    return publishing


def test_truth_has_the_header_of_the_picture(publishing, graph):
    publishing(IMAGE, LABEL, IDS)
    topics = {"image_raw": camera_qos(True), "label_truth": 10, "instance_truth": 10}
    received = {name: graph.collect(Image, f"/eye/{name}", qos) for name, qos in topics.items()}

    def same_stamp():
        latest = [{m.header.stamp.nanosec: m for m in list(found)} for found in received.values()]
        common = set.intersection(*map(set, latest))
        return [messages[max(common)] for messages in latest] if common else None

    image, label, ids = wait_for(same_stamp)
    assert image.header == label.header == ids.header
    assert ids.header.frame_id == "eye"
    assert (image.encoding, bytes(image.data)) == ("bgr8", IMAGE.tobytes())
    assert (label.encoding, bytes(label.data)) == ("mono8", LABEL.tobytes())
    assert (ids.encoding, bytes(ids.data)) == ("16UC1", IDS.tobytes())


@pytest.mark.parametrize(("encoding", "code"), [("rgb8", cv2.COLOR_BGR2RGB), ("mono8", cv2.COLOR_BGR2GRAY)])
def test_the_picture_in_other_encodings(publishing, graph, encoding, code):
    picture = np.random.default_rng(0).integers(0, 256, IMAGE.shape, np.uint8)
    publishing(picture, encoding=encoding)
    images = graph.collect(Image, "/eye/image_raw", camera_qos(True))
    image = wait_for(lambda: images)[0]
    expected = cv2.cvtColor(picture, code)
    assert (image.encoding, image.height, image.width, image.step) == (encoding, 20, 30, expected[0].nbytes)
    assert bytes(image.data) == expected.tobytes()
    assert image.header.stamp.sec > 0


def test_compressed_has_the_header_of_the_picture(publishing, graph):
    publishing(IMAGE, compressed=True)
    images = graph.collect(Image, "/eye/image_raw", camera_qos(True))
    jpegs = graph.collect(CompressedImage, "/eye/image_raw/compressed", camera_qos(True))
    jpeg = wait_for(lambda: [j for j in list(jpegs) if j.header in [image.header for image in list(images)]])[0]
    assert jpeg.header.frame_id == "eye"
    assert jpeg.header.stamp.sec > 0
    assert np.abs(decode_compressed(jpeg).pixels.astype(int) - IMAGE).max() <= 2


def test_where_there_is_no_truth_none_is_published(publishing, graph):
    publishing(IMAGE)
    images = graph.collect(Image, "/eye/image_raw", camera_qos(True))
    truths = [graph.collect(Image, f"/eye/{name}_truth") for name in ("label", "instance")]
    wait_for(lambda: len(images) > 5)
    assert truths == [[], []]
