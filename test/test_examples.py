"""The examples as a user starts them."""

import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from sensor_msgs.msg import Image

from seg_ros.classes import CAMVID
from seg_ros.results import Frame
from seg_ros.ros import messages
from seg_ros_msgs.msg import InstanceMask, InstanceMaskArray
from test.conftest import wait_for
from test.objects import found

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_count_cars_counts_a_car_once(graph, ros_env):
    """A car goes over the line and back, beside a pedestrian who does so, and a car without a track."""
    instances = graph.publisher(InstanceMaskArray, "/segmentation/instances")
    example = subprocess.Popen(
        [sys.executable, EXAMPLES / "count_cars.py"], env=ros_env, stdout=subprocess.PIPE, text=True
    )
    said = []
    reader = threading.Thread(target=lambda: said.extend(example.stdout), daemon=True)
    reader.start()

    def at(x):
        message = InstanceMaskArray(height=48, width=72)
        for track_id, name in ((7, "car"), (8, "pedestrian"), (0, "car")):
            instance = InstanceMask(track_id=track_id, class_name=name)
            instance.roi.x_offset, instance.roi.width = x, 10
            message.instances.append(instance)
        return message

    def sent():
        for x in (5, 50, 5, 50):
            instances.publish(at(x))
        return said

    try:
        wait_for(sent, 30)
        sent()
    finally:
        example.kill()
        example.wait()
    reader.join(10)
    assert len(said) == 1
    assert said[0].startswith("1 cars: number 7 went to the ")


def test_cut_out_writes_the_objects(graph, ros_env, tmp_path):
    result = found()
    pixels = np.random.default_rng(0).integers(0, 256, (*result.size, 3), np.uint8)
    header = messages.header(Frame(pixels, stamp=(7, 9), frame_id="eye"))
    images = graph.publisher(Image, "/camera/image_raw", reliable=False)
    instances = graph.publisher(InstanceMaskArray, "/segmentation/instances")
    path = tmp_path / f"{CAMVID.names[result.class_id[0]]}_1.png"

    def sent():
        images.publish(messages.image(header, pixels, "rgb8"))
        instances.publish(messages.instances(header, result, CAMVID))
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
        return [] if picture is None else [picture]  # read now: the example is killed while it writes the next one

    example = subprocess.Popen([sys.executable, EXAMPLES / "cut_out.py"], cwd=tmp_path, env=ros_env)
    try:
        (picture,) = wait_for(sent, 30)
    finally:
        example.kill()
        example.wait()
    x, y, width, height = result.roi[0]
    assert np.array_equal(picture[..., 2::-1], pixels[y : y + height, x : x + width])
    assert np.array_equal(picture[..., 3], result.masks[0])
