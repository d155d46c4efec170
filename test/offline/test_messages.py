"""Objects in bags: their types are those of the packages, and the messages the live node's."""

import json
import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from seg_ros.offline.bags import IMAGES
from seg_ros.offline.messages import DEFINITIONS, INSTANCES, types
from seg_ros.ros.cdr import read_image
from seg_ros.scenes import Street
from test.conftest import wait_for
from test.offline.conftest import image_message

ROOT = Path(__file__).parents[2]
NAMES = ("label", "confidence", "instance_ids", "track_ids")


@pytest.mark.parametrize("name", ["InstanceMask", "InstanceMaskArray"])
def test_the_definitions_are_those_of_seg_ros_msgs(name):
    lines = (ROOT / "seg_ros_msgs" / "msg" / f"{name}.msg").read_text().splitlines()
    fields = [" ".join(line.partition("#")[0].split()) for line in lines]
    ours = DEFINITIONS[f"seg_ros_msgs/msg/{name}"].replace("seg_ros_msgs/", "").splitlines()
    assert [field for field in fields if field] == ours


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_hashes_are_those_of_ros(name):
    package, _, message = name.split("/")
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    found = [
        p for p in (Path(prefix, "share", package, "msg", f"{message}.json") for prefix in prefixes) if p.is_file()
    ]
    if not found:
        pytest.skip(f"{package} is not installed")
    hashes = {h["type_name"]: h["hash_string"] for h in json.loads(found[0].read_text())["type_hashes"]}
    assert types().hash_rihs01(name) == hashes[name]


def test_the_objects_are_those_of_the_live_node(start, graph, label, tmp_path, capsys):
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from rclpy.serialization import deserialize_message, serialize_message
    from sensor_msgs.msg import Image

    from seg_ros_msgs.msg import InstanceMaskArray
    from test.nodes import active, send

    street = Street(20000, (240, 320))
    pictures = [cv2.cvtColor(street.scene(i, 10.0).image, cv2.COLOR_RGB2BGR) for i in range(3)]
    with Writer(tmp_path / "drive", version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        camera = bag.add_connection("/eye/image", IMAGES[0], typestore=types())
        sent = [image_message(picture, 10**8 * i) for i, picture in enumerate(pictures)]
        for time, data in sent:
            bag.write(camera, time, data)
    status, _, said = label(
        capsys, tmp_path / "drive", "--output", tmp_path / "out", "--confidence", weights="mask_rcnn_street"
    )
    assert status == 0, said

    active(start(weights="mask_rcnn_street"))
    publisher = graph.publisher(Image, "/eye/image")
    objects = graph.collect(InstanceMaskArray, "/segmentation/instances")
    drawn = {name: graph.collect(Image, f"/segmentation/{name}") for name in NAMES}
    _, grey = image_message(np.full((240, 320, 3), 128, np.uint8), 0)
    send(
        publisher, deserialize_message(grey[:4] + struct.pack("<iI", 1, 0) + grey[12:], Image), objects, *drawn.values()
    )

    def of_drive(received):
        return [message for message in received if message.header.stamp.sec == 7]

    for i, (_, data) in enumerate(sent):
        publisher.publish(deserialize_message(data, Image))
        wait_for(lambda i=i: all(len(of_drive(received)) == i + 1 for received in (objects, *drawn.values())))

    store, found = types(), {}
    with AnyReader([tmp_path / "out" / "drive"]) as bag:  # by the definitions in the bag alone
        assert all(c.msgdef.data for c in bag.connections)
        for connection, _, data in bag.messages():
            made = bag.deserialize(data, connection.msgtype) if connection.msgtype == INSTANCES else bytes(data)
            found.setdefault(connection.topic.rpartition("/")[2], []).append(made)
    for name, received in drawn.items():
        for live, made in zip(of_drive(received), found[name], strict=True):
            assert read_image(serialize_message(live)) == read_image(made)
    assert any(o.track_id for made in found["instances"] for o in made.instances)
    for live, made in zip(of_drive(objects), found["instances"], strict=True):
        assert repr(store.deserialize_cdr(serialize_message(live), INSTANCES)) == repr(made)
        pairs = zip(live.instances, made.instances, strict=True)
        assert all(bytes(a.mask.data) == b.mask.data.tobytes() for a, b in pairs)
