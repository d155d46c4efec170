"""What is wrong around a node is said: no camera, a camera that cannot be heard, a second node of the same name."""

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from seg_ros.ros import surroundings
from seg_ros.ros.cameras import Camera
from seg_ros.ros.surroundings import Reminder, no_images, published_images, same_name
from test.conftest import wait_for
from test.nodes import active


def test_a_reminder_comes_once_it_has_lasted_and_every_30_s():
    reminder = Reminder()
    said = [now for now in range(100) if reminder.due("wrong", float(now))]
    assert said == [2, 32, 62, 92]
    assert not reminder.due("", 100.0)
    assert not reminder.due("wrong", 101.0)
    assert not reminder.due("worse", 103.0)
    assert reminder.due("worse", 105.0)


def camera(topic):
    return Camera(topic, "", None)


def test_why_no_images_can_come(graph):
    node = graph.client
    for topic in ("/text", "/eye/compressed"):
        graph.publisher(String, topic)
    graph.publisher(CompressedImage, "/jpegs")
    graph.publisher(Image, "/eye/image", reliable=False)
    why = {
        ("/nobody", "auto"): "nobody publishes /nobody",
        ("/text", "auto"): "/text has the type std_msgs/msg/String, expected sensor_msgs/msg/Image",
        ("/jpegs", "auto"): "/jpegs has the type sensor_msgs/msg/CompressedImage, expected sensor_msgs/msg/Image",
        ("/eye/compressed", "auto"): "expected sensor_msgs/msg/CompressedImage (of a topic that ends in /compressed)",
        ("/eye/image", "reliable"): "another quality of service than input_reliability",
    }
    for (topic, reliability), text in why.items():
        assert text in no_images(node, camera(topic), reliability)
    assert no_images(node, camera("/eye/image"), "auto") == ""


def test_published_images_are_named_the_most_similar_first(graph):
    assert "no other image topic is published (ROS_DOMAIN_ID is " in published_images(graph.client, "/eye/image")
    own = graph.publisher(Image, "/own/image")
    assert "/own/image" not in published_images(graph.client, "/eye/image")
    graph.client.destroy_publisher(own)


def test_a_missing_camera_is_said_with_the_topics_that_there_are(start, graph, ros, monkeypatch, capfd):
    monkeypatch.setattr(surroundings, "_PATIENCE", 0.0)
    other = graph.add(ros.create_node("cameras"))
    for topic, kind in (("/eye/image_raw", Image), ("/thermal/compressed", CompressedImage), ("/text", String)):
        other.create_publisher(kind, topic, 1)
    graph.collect(Image, "/segmentation/label")
    active(start())
    log = []
    said = ("subscribed to", "most similar")  # in whichever order
    wait_for(lambda: log.append(capfd.readouterr().err) or all(part in "".join(log) for part in said))
    text = "".join(log)
    assert "activated: segments /eye/image while an output has a subscriber" in text
    assert "subscribed to /eye/image, best effort; nobody publishes it yet" in text
    assert "the most similar name first: /eye/image_raw, /thermal/compressed\n" in text


def test_a_second_node_of_the_name_is_counted(graph, ros):
    nodes = [graph.add(ros.create_node("twin", namespace=namespace)) for namespace in ("/left", "/right")]
    assert same_name(nodes[0]) == ""
    graph.add(ros.create_node("twin", namespace="/left"))
    wait_for(lambda: same_name(nodes[0]).startswith("1 more on this graph with the name /left/twin: start one of them"))
    assert same_name(nodes[1]) == ""


def test_a_destroyed_node_is_none(ros):
    from seg_ros.ros.node import SegmentationNode

    destroyed, node = SegmentationNode("twin"), SegmentationNode("twin")
    assert same_name(node)
    destroyed.destroy_node()
    wait_for(lambda: same_name(node) == "")
    node.destroy_node()


def test_a_second_node_of_the_name_is_a_warning(start, graph):
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    for _ in range(2):
        start(autostart=False)
    wait_for(lambda: statuses and statuses[-1].status[0].level == DiagnosticStatus.WARN)
    assert "more on this graph with the name /segmentation" in statuses[-1].status[0].message
