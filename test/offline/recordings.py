"""Writes bags, and reads what became of them."""

import json
import os
import signal
import subprocess

from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from test.offline.conftest import FRAMES, image_message

TYPES = get_typestore(Stores.ROS2_KILTED)
IMAGE, COMPRESSED, TEXT = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "std_msgs/msg/String"


def text(words):
    return TYPES.serialize_cdr(TYPES.types[TEXT](words), TEXT)


def write_bag(path, pictures, storage=StoragePlugin.MCAP, damage=()):
    """Images, and a text between them; of the images in `damage` the data are cut off."""
    with Writer(path, version=9, storage_plugin=storage) as bag:
        image = bag.add_connection("/camera/image_raw", IMAGE, typestore=TYPES)
        words = bag.add_connection("/chatter", TEXT, typestore=TYPES)
        for i, picture in enumerate(pictures):
            time, data = image_message(picture, i)
            bag.write(image, time, data[:-50] if i in damage else data)
            bag.write(words, time + 1, text(f"hello {i}"))
    return path


def write_old_bag(writer, pictures):
    """Images in a bag of ROS 1."""
    store = get_typestore(Stores.ROS1_NOETIC)
    of = store.types
    with writer as bag:
        connection = bag.add_connection("/camera/image_raw", IMAGE, typestore=store)
        for i, picture in enumerate(pictures):
            header = of["std_msgs/msg/Header"](i, of["builtin_interfaces/msg/Time"](7, i), "camera")
            height, width = picture.shape[:2]
            message = of[IMAGE](header, height, width, "bgr8", 0, 3 * width, picture.reshape(-1))
            bag.write(connection, 10**9 + i, store.serialize_ros1(message, IMAGE))


def read_bag(path):
    """All messages by topic: `(log time, data)`."""
    found = {}
    with AnyReader([path], default_typestore=TYPES) as bag:
        for connection, time, data in bag.messages():
            found.setdefault(connection.topic, []).append((time, bytes(data)))
    return found


def tree(folder):
    """All files of a folder with their contents."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def finishes_without(command, victim):
    """Runs a command that labels 300 pictures times `FRAMES` by two workers, and kills the process `victim(driver)`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as driver:
        os.kill(victim(driver), signal.SIGKILL)
        figures, said = driver.communicate(timeout=120)
    assert driver.returncode == 0, said
    figures = json.loads(figures)
    assert (figures["workers"], figures["labelled"], figures["skipped"]) == (2, 300 * FRAMES, 0)
    assert "once more, for its worker died" in said
