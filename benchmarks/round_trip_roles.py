"""The processes of `benchmarks.round_trip`: a camera, three middles that answer it, and a probe.

    python -m benchmarks.round_trip_roles ROLE RUN    # RUN: the fields of `Run` as JSON

Each works until its stdin ends, so that none outlives the benchmark.
"""

from __future__ import annotations

import array
import dataclasses
import functools
import json
import struct
import sys
import threading
import time

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from seg_ros.ros.interrupt import until_shutdown
from seg_ros.ros.qos import camera_qos, output_qos

NETWORK = (480, 640)
"""`(H, W)` of the node's network input, pixels."""

_CLASS = 3
_STAMP = struct.Struct("<iI")
_STAMP_AT = 4
"""A header comes first, and its stamp first of all, after the four bytes that say how the message is encoded."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of one middle.

    Attributes:
        space: namespace of all topics, of this run alone.
        cameras: how many.
        height, width: of their images, pixels.
        hz: of each camera.
    """

    space: str
    cameras: int
    height: int
    width: int
    hz: float

    def image_topics(self) -> list[str]:
        """Names one a camera."""
        return [f"{self.space}/cam{i}/image_raw" for i in range(self.cameras)]

    def label_topics(self) -> list[str]:
        """Names one a camera, as the node does."""
        node = f"{self.space}/segmentation"
        return [f"{node}/cam{i}/label" for i in range(self.cameras)] if self.cameras > 1 else [f"{node}/label"]


def camera(run: Run) -> None:
    """Publishes prepared bytes, of all cameras in turn; at the end prints `[[camera, stamp in ns], ...]`."""
    node = rclpy.create_node("camera", namespace=run.space)
    publishers = [node.create_publisher(Image, topic, camera_qos(reliable=False)) for topic in run.image_topics()]
    noise = np.random.default_rng(0).integers(0, 256, (run.height, run.width, 3), np.uint8)
    message = bytearray(_serialised(noise, "rgb8"))
    published, step, due = [], 1.0 / (run.hz * run.cameras), time.monotonic()
    over = _on_end_of_stdin(lambda: None)
    while over.is_alive():
        time.sleep(max(0.0, due - time.monotonic()))
        i, now = len(published) % run.cameras, time.time_ns()
        _STAMP.pack_into(message, _STAMP_AT, *divmod(now, 10**9))
        publishers[i].publish(bytes(message))
        published.append((i, now))
        due = max(due + step, time.monotonic())  # like a camera, it does not catch up
    print(json.dumps(published), flush=True)


def probe(run: Run) -> None:
    """Prints `ready` when every camera was answered, and at the end `[[camera, stamp, arrival], ...]`, both in ns."""
    node = rclpy.create_node("probe", namespace=run.space)
    arrived, answered = [], set()

    def take(i: int, message: bytes) -> None:
        now = time.time_ns()
        sec, nanosec = _STAMP.unpack_from(message, _STAMP_AT)
        arrived.append((i, sec * 10**9 + nanosec, now))
        if i not in answered:
            answered.add(i)
            if len(answered) == run.cameras:
                print("ready", flush=True)

    for i, topic in enumerate(run.label_topics()):
        node.create_subscription(Image, topic, functools.partial(take, i), output_qos(), raw=True)
    _spin(node)
    print(json.dumps(arrived), flush=True)


def typed(run: Run) -> None:
    """Answers as most people write it: message objects in and out, numpy between."""
    node = rclpy.create_node("segmentation", namespace=run.space)
    label = np.full((run.height, run.width), _CLASS, np.uint8)

    def answer(publisher: object, message: Image) -> None:
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        height, width = pixels.shape[:2]
        out = Image(header=message.header, height=height, width=width, encoding="mono8", step=width)
        out.data = array.array("B", label.tobytes())
        publisher.publish(out)

    for image, publisher in _publishers(node, run):
        node.create_subscription(Image, image, functools.partial(answer, publisher), camera_qos(reliable=False))
    _spin(node)


def raw(run: Run) -> None:
    """Answers at the least cost, the floor: bytes in, prepared bytes out, only the stamp is copied."""
    node = rclpy.create_node("segmentation", namespace=run.space)
    prepared = bytearray(_serialised(np.full((run.height, run.width), _CLASS, np.uint8), "mono8"))
    stamp = slice(_STAMP_AT, _STAMP_AT + _STAMP.size)

    def answer(publisher: object, message: bytes) -> None:
        prepared[stamp] = message[stamp]
        publisher.publish(bytes(prepared))

    for image, publisher in _publishers(node, run):
        qos = camera_qos(reliable=False)
        node.create_subscription(Image, image, functools.partial(answer, publisher), qos, raw=True)
    _spin(node)


def node(run: Run) -> None:
    """Runs the segmentation node's executable, on an engine that does nothing."""
    from seg_ros.cli import node as executable

    _without_a_network()
    topics = run.image_topics()
    camera = f"input_topics:={json.dumps(topics)}" if run.cameras > 1 else f"input_topic:={topics[0]}"
    _on_end_of_stdin(rclpy.try_shutdown)
    executable.main(["--ros-args", "--log-level", "warn", "-r", f"__ns:={run.space}", "-p", camera])


def _without_a_network() -> None:
    """Makes every segmenter of this process one whose engine returns the same tensors at once, whatever it is to open.

    The only thing in which the node of a round trip differs from the one that people run.
    """
    import torch

    from seg_ros.classes import CAMVID
    from seg_ros.engines.opening import Engine
    from seg_ros.manifest import Manifest
    from seg_ros.runner import CpuRunner
    from seg_ros.segmenter import Segmenter

    def build(shape: tuple[int, int, int]) -> Engine:
        outputs = tuple(torch.full(shape, value, dtype=torch.uint8) for value in (_CLASS, 200))
        return Engine("none", "fp32", "cpu", lambda _: outputs, {})

    manifest = Manifest("unet", {}, CAMVID, NETWORK)
    Segmenter.open = classmethod(lambda cls, *_, **__: cls(manifest, CpuRunner(build, manifest.task, NETWORK)))


def _publishers(node: Node, run: Run) -> list[tuple[str, object]]:
    """Gives the topic of the images and the publisher of the labels, of each camera."""
    labels = [node.create_publisher(Image, topic, output_qos()) for topic in run.label_topics()]
    return list(zip(run.image_topics(), labels, strict=True))


def _serialised(pixels: np.ndarray, encoding: str) -> bytes:
    height, width = pixels.shape[:2]
    message = Image(header=Header(frame_id="camera"), height=height, width=width, encoding=encoding)
    message.step = pixels.strides[0]
    message.data = array.array("B", pixels.tobytes())
    return serialize_message(message)


def _spin(node: Node) -> None:
    _on_end_of_stdin(rclpy.try_shutdown)
    with until_shutdown():
        rclpy.spin(node)


def _on_end_of_stdin(action: object) -> threading.Thread:
    """Starts a thread that lives until stdin ends, and then calls `action`."""

    def wait() -> None:
        sys.stdin.read()
        action()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


ROLES = {"camera": camera, "probe": probe, "typed": typed, "raw": raw, "node": node}


def main() -> None:
    role, run = sys.argv[1:]
    if role != "node":  # which does it itself
        rclpy.init()
    ROLES[role](Run(**json.loads(run)))


if __name__ == "__main__":
    main()
