"""The lift node on a real graph: clouds and boxes of what comes, and each fault costs one measurement, counted."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from seg_ros.classes import CAMVID
from seg_ros.lifting import POINT
from seg_ros.lifting.layouts import POINT_XYZCPE
from seg_ros.results import Instances
from seg_ros.ros import messages
from seg_ros.ros.clouds import read_points, write_cloud
from seg_ros.ros.lift import LiftNode
from seg_ros_msgs.msg import InstanceMaskArray
from test.conftest import wait_for

H, W = 48, 64
MATRIX = np.float64(((60, 0, 31.5), (0, 60, 23.5), (0, 0, 1)))
LABEL = np.random.default_rng(0).integers(0, 11, (H, W), np.uint8)
DEPTH = np.full((H, W), 4000, np.uint16)
BYTES = DEPTH.tobytes()


class Sensors:
    """A segmentation node, a depth camera and a LiDAR, all played by the test, and what the lift node makes of them."""

    def __init__(self, graph, small_weights, lidar=False, **overrides):
        values = {"weights": str(small_weights), "segmentation": "/seg", **overrides}
        values |= {"points_topic": "/lidar/points"} if lidar else {"depth_topic": "/depth/image"}
        self._graph = graph
        self.node = graph.add(LiftNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]))
        publisher = graph.client.create_publisher
        self._label = publisher(Image, "/seg/label", 10)
        self._objects = publisher(InstanceMaskArray, "/seg/instances", 10) if not lidar else None
        self._info = publisher(CameraInfo, "/seg/camera_info" if lidar else "/depth/camera_info", 10)
        self._measured = publisher(PointCloud2 if lidar else Image, values.get("points_topic") or "/depth/image", 10)
        self.clouds = []
        qos = QoSProfile(depth=10)
        graph.client.create_subscription(PointCloud2, "/lift/points", self.clouds.append, qos, raw=True)
        self.boxes = graph.collect(MarkerArray, "/lift/objects")
        self.stamp = 0
        self.matrix = MATRIX

    def send(self, measurement=None, objects=None, label=LABEL):
        """Sends one frame of everything; a measurement is a depth image, or a function from a stamp to a message."""
        self.stamp += 1
        stamp = self.stamp, 0
        header = Header(frame_id="eye")
        header.stamp.sec = self.stamp
        self._info.publish(messages.camera_info(stamp, "eye", (H, W), self.matrix))
        if callable(measurement):
            self._measured.publish(measurement(stamp))
        else:
            self._measured.publish(messages.serialized_image(stamp, "eye", measurement, "16UC1"))
        if self._objects is not None:
            self._objects.publish(messages.instances(header, objects or nothing(), CAMVID))
        self._label.publish(messages.serialized_image(stamp, "eye", label, "mono8"))

    def until(self, done, measurement, **kwargs):
        """Sends until it is done: discovery takes its time, and so does the node's look at who subscribes."""

        def sent():
            if done():
                return True
            self.send(measurement, **kwargs)
            return any(wait_briefly(done) for _ in range(10))

        wait_for(sent, 30)

    def until_lost(self, reason, measurement):
        before = self.lost(reason)
        self.until(lambda: self.lost(reason) > before, measurement)

    def lost(self, reason):
        return self.node.statistics.counts()["dropped"].get(reason, 0)


def wait_briefly(done):
    time.sleep(0.02)
    return done()


def nothing():
    none = np.zeros((0, 4))
    return Instances((H, W), np.zeros(0, np.uint8), np.zeros(0, np.float32), none, none.astype(np.int32), ())


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
    for matrix in (np.zeros((3, 3)), np.float64(((1, 2, 3), (4, 5, 6), (7, 8, 9)))):
        depth.matrix = matrix
        depth.until_lost("calibration", DEPTH)
    depth.matrix = MATRIX
    small = LABEL[: H // 2]
    depth.until(lambda: depth.lost("size"), DEPTH, label=np.ascontiguousarray(small))
    depth.clouds.clear()
    depth.until(lambda: depth.clouds, np.zeros((H, W), np.uint16))
    assert depth.lost("internal") == 0
    wait_for(lambda: sum_is_whole(depth.node))


def sum_is_whole(node):
    """Whether every measurement that came was published, dropped for a reason, or waits for its label."""
    counts = node.statistics.counts()
    done = counts["frames_out"] + sum(counts["dropped"].values())
    return counts["frames_in"] - len(node._configured.matcher._measurements) <= done <= counts["frames_in"]


def test_no_point_anywhere_is_a_cloud_of_none(depth):
    depth.until(lambda: depth.clouds, np.full((H, W), 65535, np.uint16))
    cloud = read_points(depth.clouds[-1])[1]
    assert np.isnan(cloud["z"]).all()
    assert np.array_equal(cloud["label"], LABEL)


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
    lidar.clouds.clear()
    lidar.until(lambda: lidar.clouds, lambda stamp: write_cloud(stamp, "roof", points[:0]), label=label)
    assert len(read_points(lidar.clouds[-1])[1]) == 0
    other = np.zeros(5, np.dtype([("a", "<f4")]))
    lidar.until(lambda: lidar.lost("fields"), lambda stamp: write_cloud(stamp, "roof", other), label=label)


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


@pytest.mark.parametrize(
    ("overrides", "word"),
    [
        ({}, "depth_topic"),
        ({"points_topic": "/p", "extrinsics": [1.0, 2.0]}, "7 numbers"),
        ({"points_topic": "/p", "extrinsics": [0.0] * 7}, "quaternion"),
        ({"depth_topic": "/d", "keep": ["tarmac"]}, "tarmac"),
        ({"depth_topic": "/d", "tolerance": "much"}, "allowed: float"),
        ({"depth_topic": "/d", "queue": 0}, "1 to 1000"),
        ({"depth_topic": "/d", "weights": "none"}, "none"),
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
    node.trigger_configure()
    node.trigger_activate()
    wait_for(lambda: graph.client.count_subscribers("/depth/image"))
