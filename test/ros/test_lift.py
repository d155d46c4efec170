"""The lift node on a real graph: clouds and boxes of what comes, and each fault costs one measurement, counted."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.lifting import POINT
from seg_ros.lifting.layouts import POINT_XYZCPE
from seg_ros.results import Instances
from seg_ros.ros import messages
from seg_ros.ros.clouds import read_points, write_cloud
from seg_ros.ros.lift import LiftNode
from test.conftest import wait_for
from test.sensors import DEPTH, LABEL, MATRIX, H, Sensors, W, sum_is_whole

BYTES = DEPTH.tobytes()


@pytest.fixture
def depth(graph, small_weights):
    return Sensors(graph, small_weights)


def test_depth_becomes_an_organised_cloud_and_boxes(depth):
    roi = np.int32([(10, 12, 20, 18)])
    box = np.float32([(10, 12, 30, 30)])
    car = Instances((H, W), np.uint8([8]), np.float32([0.9]), box, roi, (np.full((18, 20), 255, np.uint8),))
    depth.until(lambda: depth.clouds and depth.boxes, DEPTH, objects=car)
    stamp, cloud = read_points(depth.clouds[-1])
    assert cloud.shape == (H, W)
    assert 0 < stamp[0] <= depth.stamp
    assert np.array_equal(cloud["label"], LABEL)
    assert np.array_equal(cloud["instance"] == 1, car.ids() == 1)
    v, u = np.indices((H, W))
    assert np.allclose(cloud["x"], (u - 31.5) / 60 * 4, atol=1e-5)
    assert np.allclose(cloud["y"], (v - 23.5) / 60 * 4, atol=1e-5)
    wipe, marker = depth.boxes[-1].markers
    assert wipe.action == Marker.DELETEALL
    assert (marker.ns, marker.id, marker.header.frame_id) == ("car", -1, "eye")
    assert marker.scale.x == pytest.approx(20 / 60 * 4, abs=0.1)
    assert marker.scale.z == pytest.approx(18 / 60 * 4, abs=0.1)
    assert marker.pose.position.z == pytest.approx(4, abs=0.06)
    # the box's own upright axis is up: against the camera's y
    q = marker.pose.orientation
    assert 2 * (q.y * q.z - q.x * q.w) == pytest.approx(-1, abs=1e-3)


def test_each_bad_measurement_costs_itself_and_service_goes_on(depth):
    depth.until(lambda: depth.clouds, DEPTH)

    def image(encoding="16UC1", height=H, width=W, step=2 * W, data=BYTES, stamp=(0, 0)):
        msg = Image(encoding=encoding, height=height, width=width, step=step, data=data)
        msg.header.stamp.sec, msg.header.frame_id = stamp[0], "eye"
        return serialize_message(msg)

    def bad(**fields):
        return lambda stamp: image(stamp=stamp, **fields)

    wrong = {
        "encoding": bad(encoding="rgb8"),
        "truncated": bad(data=b"1234"),
        "step": bad(step=3),
        "camera_info_size": bad(height=H // 2),
        "cdr": lambda stamp: image(stamp=stamp)[:60],
    }
    for reason, measurement in wrong.items():
        depth.until_lost(reason, measurement)
    small = LABEL[: H // 2]
    depth.until(lambda: depth.lost("size"), DEPTH, label=np.ascontiguousarray(small))
    depth.clouds.clear()
    depth.until(lambda: depth.clouds, np.zeros((H, W), np.uint16))
    assert depth.lost("internal") == 0
    wait_for(lambda: sum_is_whole(depth.node))


def test_a_lidars_cloud_keeps_its_points_and_header(graph, small_weights):
    lidar = Sensors(graph, small_weights, lidar=True, extrinsics=[0.0, 0.0, 0.0, 0.5, -0.5, 0.5, 0.5], keep=[""])
    points = np.zeros(300, POINT)
    points["x"] = 5
    points["y"] = np.linspace(2, -2, 300)  # from left to right
    points["x"][:3] = np.nan, -5, 0

    def scan(stamp):
        return write_cloud(stamp, "roof", points)

    label = np.zeros((H, W), np.uint8)
    label[:, W // 2 :] = 8
    lidar.until(lambda: lidar.clouds, scan, label=label)
    _, cloud = read_points(lidar.clouds[-1])
    assert np.array_equal(cloud["x"], points["x"], equal_nan=True)
    assert (cloud["label"][:3] == 255).all()
    assert set(cloud["label"][3:140]) == {0}
    assert set(cloud["label"][160:]) == {8}


def test_the_depth_of_another_camera_is_taken_to_the_labelled_one(graph, small_weights):
    place = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    sensors = Sensors(graph, small_weights, register_depth=True, extrinsics=place)
    own = graph.client.create_publisher(CameraInfo, "/seg/camera_info", 10)
    sensors.until_lost("no_camera_info", DEPTH)  # of the labelled camera

    def calibrated(stamp):
        own.publish(messages.camera_info(stamp, "eye", (H, W), MATRIX))
        return messages.serialized_image(stamp, "eye", DEPTH, "16UC1")

    sensors.until(lambda: sensors.clouds, calibrated)
    _, cloud = read_points(sensors.clouds[-1])
    shift = 60 // 4  # px by which 1 m to the right moves what is 4 m away
    assert cloud.shape == (H, W)
    assert np.isnan(cloud["z"][:, :shift]).all()
    assert (cloud["z"][:, shift:] == 4).all()
    assert np.array_equal(cloud["label"], LABEL)


def test_a_cloud_for_autoware_is_laid_out_as_its_programs_ask(graph, small_weights):
    sensors = Sensors(graph, small_weights, layout="autoware", voxel=0.1)
    label = np.full((H, W), 8, np.uint8)
    label[: H // 2] = 3
    sensors.until(lambda: sensors.clouds, DEPTH, label=label)
    cloud = deserialize_message(sensors.clouds[-1], PointCloud2)
    fields = [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields]
    real, byte = PointField.FLOAT32, PointField.UINT8
    assert fields == [
        ("x", 0, real, 1), ("y", 4, real, 1), ("z", 8, real, 1), ("class_id", 12, byte, 1),
        ("probability", 16, real, 1), ("entropy", 20, real, 1),
    ]  # fmt: skip
    assert (cloud.height, cloud.point_step, cloud.row_step) == (1, 24, 24 * cloud.width)
    assert 0 < cloud.width < H * W
    points = np.frombuffer(cloud.data, POINT_XYZCPE)
    assert set(points["class_id"]) == {0, 8}
    assert not points["probability"].any()
    assert np.isnan(points["entropy"]).all()  # nobody published a confidence


def test_four_cameras_paint_every_scan_of_one_lidar_each_where_it_looks(graph, small_weights):
    half = np.sqrt(0.5)
    views = {  # how the LiDAR is turned in each camera's coordinates
        "front": (0.5, -0.5, 0.5, 0.5), "left": (half, 0.0, 0.0, half),
        "rear": (-0.5, 0.5, 0.5, 0.5), "right": (0.0, -half, half, 0.0),
    }  # fmt: skip
    cameras = [
        Sensors(graph, small_weights, True, f"lift_{name}", f"/seg/{name}", extrinsics=[0.0, 0.0, 0.0, *q])
        for name, q in views.items()
    ]
    points = np.zeros((4, 20), POINT)
    points["x"], points["y"] = (np.reshape(axis, (4, 1)) for axis in ((5, 0, -5, 0), (0, 5, 0, -5)))
    points = points.reshape(-1)

    def frame(stamp):
        for i, camera in enumerate(cameras[1:], 1):
            camera.frame_id, camera.stamp = f"eye {i}", stamp[0] - 1
            camera.send(None, label=np.full((H, W), i, np.uint8))
        return write_cloud(stamp, "roof", points)

    front = cameras[0]
    front.until(lambda: all(each.clouds for each in cameras), frame, label=np.zeros((H, W), np.uint8))
    for _ in range(5):
        front.send(frame, label=np.zeros((H, W), np.uint8))
        newest = [(front.stamp, 0)] * len(cameras)
        wait_for(lambda n=newest: [read_points(each.clouds[-1])[0] for each in cameras] == n)
        for i, each in enumerate(cameras):
            seen = np.full((4, 20), 255)
            seen[i] = i
            assert np.array_equal(read_points(each.clouds[-1])[1]["label"], seen.reshape(-1))
    for each in cameras:
        wait_for(lambda node=each.node: sum_is_whole(node))
        assert each.lost("internal") == 0


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({}, "depth_topic"),
        ({"points_topic": "/p", "extrinsics": [1.0, 2.0]}, "7 numbers"),
        ({"points_topic": "/p", "extrinsics": [0.0] * 7}, "quaternion"),
        ({"depth_topic": "/d", "keep": ["tarmac"]}, "tarmac"),
        ({"depth_topic": "/d", "fixed_frame": "odom"}, "where tf2 is asked"),
        ({"points_topic": "/p", "register_depth": True}, "false with points_topic"),
        ({"depth_topic": "/d", "tolerance": "much"}, "allowed: float"),
        ({"depth_topic": "/d", "queue": 0}, "1 to 1000"),
        ({"depth_topic": "/d", "weights": "none"}, "none"),
        ({"depth_topic": "/d", "device": "tpu"}, "'cpu' or 'cuda'"),
        ({"points_topic": "/p", "device": "cuda"}, "'cpu' with points_topic"),
        ({"depth_topic": "/d", "layout": "xyz"}, "'pcl' or 'autoware'"),
        ({"depth_topic": "/d", "voxel": 0.001}, "0.01 to 100.0"),
        ({"depth_topic": "/d", "autoware_classes": ["car: VEHICLE"]}, "CAR, TRUCK"),
    ],
)
def test_a_wrong_parameter_does_not_end_the_node(graph, overrides, word):
    values = {"weights": "unet_street"} | overrides
    node = graph.add(LiftNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]))
    wait_for(lambda: word in str(node.problem))
    wait_for(lambda: node.state == "unconfigured")


def test_without_subscriber_nothing_is_received_and_it_can_be_configured_again(graph, small_weights):
    values = {"weights": str(small_weights), "depth_topic": "/depth/image"}
    node = graph.add(LiftNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]))
    wait_for(lambda: node.state == "active")
    assert not graph.client.count_subscribers("/depth/image")
    graph.collect(MarkerArray, "/lift/objects")
    wait_for(lambda: graph.client.count_subscribers("/depth/image"))
    node.trigger_deactivate()
    wait_for(lambda: not graph.client.count_subscribers("/depth/image"))
    node.trigger_cleanup()
    assert node.state == "unconfigured"
    assert node.set_parameters([Parameter("queue", value=7)])[0].successful
    node.trigger_configure()
    assert "takes effect at configure" in node.set_parameters([Parameter("queue", value=8)])[0].reason
    node.trigger_activate()
    wait_for(lambda: graph.client.count_subscribers("/depth/image"))
