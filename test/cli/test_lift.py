"""The street's camera, with depth and LiDAR, and the lift node, as a user starts them."""

import signal
import subprocess

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from seg_ros.ros.clouds import read_cloud, read_points
from seg_ros.ros.judges import pixels
from seg_ros.ros.qos import camera_qos
from seg_ros.scenes.lidar import PLACE, QUATERNION
from test.conftest import wait_for


def test_the_streets_depth_and_scan_come_with_their_truth(graph, run):
    received = {
        name: graph.collect(kind, f"/s/{name}", qos)
        for name, kind, qos in (
            ("depth/image_raw", Image, camera_qos(True)),
            ("depth/camera_info", CameraInfo, camera_qos(True)),
            ("objects_truth", MarkerArray, 10),
        )
    }
    raw = {"lidar/points": [], "lidar/truth": []}
    for name, store in raw.items():
        graph.client.create_subscription(PointCloud2, f"/s/{name}", store.append, 5, raw=True)
    run("camera", "--space", "--size", 96, 128, "--ahead", 6, "--rate", 20, "--namespace", "/s", "--qos", "reliable")
    wait_for(lambda: all(received.values()) and all(raw.values()), 40)
    depth, info = received["depth/image_raw"][-1], received["depth/camera_info"][-1]
    assert (depth.encoding, depth.height, depth.width) == ("16UC1", 96, 128)
    assert depth.header.frame_id == info.header.frame_id == "camera_optical_frame"
    assert 2000 < pixels(depth)[-1].min() <= pixels(depth)[-1].max() < 10000
    assert info.k[2] == 63.5
    scan = read_cloud(raw["lidar/points"][-1])
    assert scan.frame_id == "lidar"
    truths = [read_points(message)[1] for message in raw["lidar/truth"]]
    assert any(len(t) == len(scan.points) and np.array_equal(t["x"], scan.points[:, 0]) for t in truths)
    assert received["objects_truth"][-1].markers[1:]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(run, number):
    place = str([*PLACE, *QUATERNION])
    lift = run(
        "lift", "--ros-args", "-p", "points_topic:=/p", "-p", f"extrinsics:={place}", "-p", "weights:=unet_street",
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert "activated: lifts /p" in lift.stderr.readline()
    lift.send_signal(number)
    rest = lift.communicate(timeout=20)[1]
    assert lift.returncode == 0
    assert "Traceback" not in rest
