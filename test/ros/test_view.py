"""The view node: subscribes while a browser is there, shows what comes, and outlives what is malformed."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("viser", reason="viser is not installed: requirements/view.txt")

from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from seg_ros.classes import CAMVID
from seg_ros.lifting import POINT, Box
from seg_ros.lifting.boxes import OPTICAL
from seg_ros.ros.clouds import write_cloud
from seg_ros.ros.lift_outputs import Lifted, markers
from seg_ros.ros.view import ViewNode
from seg_ros.viewing.page import Page
from test.conftest import wait_for
from test.nodes import picture

CAR = CAMVID.names.index("car")
TOPICS = {"/lift/points", "/lift/objects", "/segmentation/overlay", "/eye/image"}


@pytest.fixture
def view(graph):
    values = {"weights": "unet_street", "port": 0, "input_topic": "/eye/image"}
    return graph.add(ViewNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()]))


def listened(graph):
    return {topic for topic in TOPICS if graph.client.count_subscribers(topic)}


def test_it_listens_while_a_browser_is_there_and_shows_what_comes(graph, view, monkeypatch):
    cloud, objects, eye = (
        graph.publisher(kind, topic)
        for kind, topic in ((PointCloud2, "/lift/points"), (MarkerArray, "/lift/objects"), (Image, "/eye/image"))
    )
    time.sleep(0.5)
    assert not listened(graph)
    monkeypatch.setattr(Page, "watched", True)  # by a browser, of which test/viewing has a real one
    wait_for(lambda: listened(graph) == TOPICS)
    other = write_cloud((5, 0), "eye", np.zeros((2, 3), np.dtype([("x", "<f4")])))
    wait_for(lambda: (cloud.publish(other), time.sleep(0.1), view._logged > 0)[-1])
    points = np.zeros((2, 3), POINT)
    points["x"], points["y"], points["z"], points["label"] = 1.0, 2.0, 10.0, CAR
    points["z"][0, 0] = np.nan
    box = Box(1, CAR, 0.9, np.float32((1, 0.5, 10)), np.float32((4, 2, 1.5)), 0.3, 50)
    page = view._page

    def send():
        cloud.publish(write_cloud((5, 0), "eye", points))
        objects.publish(markers(Lifted((5, 0), "eye", points, [box], OPTICAL), CAMVID))
        eye.publish(picture(5, (48, 72)))
        time.sleep(0.15)
        return len(page._points) and page._solids and page._pictures["camera"].visible

    wait_for(send)
    assert np.allclose(page._points, np.float32((10, -1, -2)))  # ahead, left, up
    assert set(page._labels) == {CAR}
    (solid,) = page._solids
    assert (solid.name, solid.text) == ("car", "car 10 m")
    assert np.allclose(solid.center, (10, -1, -0.5))
    c, s = np.cos(0.3), np.sin(0.3)
    assert np.allclose(solid.rotation, ((c, -s, 0), (s, c, 0), (0, 0, 1)), atol=1e-6)
    assert page._pictures["camera"].image.shape == (48, 72, 3)
    wait_for(lambda: send() and "points" in page._figures.content and view._streams[0].line(6 * 10**9).age == 1.0)
    monkeypatch.setattr(Page, "watched", False)
    wait_for(lambda: not listened(graph))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("port", 70000, "0 to 65535"), ("rate", "often", "float"), ("points", 1, "100 to 1000000")],
)
def test_a_wrong_parameter_is_named(ros, name, value, words):
    with pytest.raises(ValueError, match=rf"^parameter '{name}': .*{words}"):
        ViewNode(parameter_overrides=[Parameter(name, value=value)])
