"""The profiles of config/ on a real node, and the one promise that every consumer's synchroniser builds on."""

import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
from sensor_msgs.msg import CameraInfo, Image

from test.conftest import wait_for
from test.nodes import active, picture

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
PROFILES = sorted((Path(__file__).resolve().parents[2] / "config/profiles").glob("*.yaml"))


def flat(values, above=""):
    """Parameters by their full names, as ROS reads a file: `masks: {people: []}` is `masks.people`."""
    for name, value in values.items():
        yield from flat(value, f"{above}{name}.") if isinstance(value, dict) else [(above + name, value)]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_node_runs_with_the_profile(start, small_weights, small_instance_weights, path):
    values = dict(flat(yaml.safe_load(path.read_text())["/**"]["ros__parameters"]))
    weights = small_instance_weights if values.get("model") == "mask_rcnn" else small_weights
    node = start(**{"weights": str(weights)} | values)
    active(node)
    # Raises for one that the node does not have.
    got = {name: node.get_parameter(name).value for name in values}
    assert got == values


def info(stamp):
    message = CameraInfo(height=48, width=72)
    message.header = picture(stamp).header
    return message


def test_everything_of_a_frame_has_one_stamp_whatever_is_lost(start, graph):
    """Exact synchronisers match equal stamps, approximate ones find them nearest."""
    active(start(**{"masks.people": ["pedestrian"]}))
    camera, infos = graph.publisher(Image, "/eye/image"), graph.publisher(CameraInfo, "/eye/camera_info")
    kinds = {"label": Image, "confidence": Image, "mask/people": Image, "camera_info": CameraInfo}
    got = {name: graph.collect(kind, f"/segmentation/{name}") for name, kind in kinds.items()}
    wait_for(lambda: all(got.values()) or (infos.publish(info(1)), camera.publish(picture(1)), time.sleep(0.1))[0])
    for second in range(2, 30):
        if second % 7:  # the camera loses one now and then
            infos.publish(info(second))
        camera.publish(picture(second))
        wait_for(lambda second=second: any(m.header.stamp.sec == second for m in got["label"]))
    labels = [(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id, m.height, m.width) for m in got["label"]]
    assert len(set(labels)) == 29
    for name, messages in got.items():
        last = labels[-1]
        wait_for(lambda messages=messages, last=last: messages[-1].header.stamp.sec == last[0])
        found = {(m.header.stamp.sec, m.header.stamp.nanosec, m.header.frame_id, m.height, m.width) for m in messages}
        assert found == set(labels), name
