"""Whatever a camera sends costs that frame and no more: one counted drop, a word in the log, the next frame served."""

import struct
import time
import tracemalloc
import zlib
from collections import Counter

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from seg_ros.ros.encodings import ENCODINGS
from test.conftest import wait_for
from test.faults.processes import SOAK
from test.nodes import Nothing, active, picture, run_on, send, sinking

MUTATIONS = 100_000 if SOAK else 10_000


def broken(**fields):
    message = picture()
    for name, value in fields.items():
        setattr(message, name, value)
    return serialize_message(message)


BAD = {
    "a step shorter than a row": ("step", broken(step=10)),
    "a step of zero": ("step", broken(step=0)),
    "truncated data": ("truncated", broken(height=480)),
    "no data": ("truncated", broken(data=b"")),
    "zero height and width": ("size", broken(height=0, width=0)),
    "zero width": ("size", broken(width=0)),
    "an unknown encoding": ("encoding", broken(encoding="rgb9")),
    "no encoding": ("encoding", broken(encoding="")),
    "depth as colour": ("encoding", broken(encoding="32FC1")),
    "an encoding of 8 MB": ("text", broken(encoding="\x1b[2J\n" * 2_000_000)),
    "65535 x 65535 declared": ("size", broken(height=65535, width=65535, step=3 * 65535)),
    "8K declared": ("truncated", broken(height=4320, width=7680, step=3 * 7680)),
    "a step that overflows": ("truncated", broken(step=2**32 - 1)),
    "a message cut in its header": ("cdr", broken()[:20]),
    "a message cut in its pixels": ("cdr", broken()[:-1]),
    "an empty message": ("cdr", b""),
}


def png(height, width, rows=1):
    """A small file that says it is large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes((3 * width + 1) * rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg(height=48, width=72):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def resized(stream, height, width):
    """The JPEG with another size in its frame header."""
    at = stream.index(b"\xff\xc0")
    return stream[: at + 5] + struct.pack(">HH", height, width) + stream[at + 9 :]


def compressed(data, form="jpeg"):
    return serialize_message(CompressedImage(format=form, data=data))


BAD_COMPRESSED = {
    "a JPEG cut short": ("corrupt", compressed(jpeg()[:-400])),
    "a JPEG of noise": ("corrupt", compressed(b"\xff\xd8\xff" + bytes(range(256)) * 4)),
    "a JPEG that says 65500 x 65500": ("size", compressed(resized(jpeg(), 65500, 65500))),
    "a JPEG that says 16000 x 16000": ("size", compressed(resized(jpeg(), 16000, 16000))),
    "a PNG that says 100000 x 100000": ("size", compressed(png(100000, 100000), "png")),
    "a PNG without its rows": ("corrupt", compressed(png(480, 640), "png")),
    "a PNG cut short": ("corrupt", compressed(png(8, 8, 8)[:-12], "png")),
    "nothing": ("encoding", compressed(b"")),
    "another codec": ("encoding", compressed(b"GIF89a" + bytes(50))),
    "depth": ("encoding", compressed(jpeg(), "16UC1; compressedDepth png")),
}


def dropped(node, reason):
    return node.cameras[0].statistics.dropped.get(reason, 0)


def test_a_bad_image_costs_that_image(serving):
    node, camera, labels = serving
    time.sleep(0.2)  # what send repeated is through
    for stamp, (name, (reason, message)) in enumerate(BAD.items(), start=2):
        before, out = dropped(node, reason), node.cameras[0].statistics.frames_out
        tracemalloc.start()
        if message:
            camera.publish(message)
        else:
            node._inputs[0]._receive(message, {})  # the middleware would not carry it
        counted(name, lambda reason=reason, before=before: dropped(node, reason) == before + 1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < len(message) + 2**20, name
        assert node.cameras[0].statistics.frames_out == out, name
        labels.clear()
        camera.publish(picture(stamp))
        counted(name, lambda: labels)
        assert labels[0].header.stamp.sec == stamp, name


def test_a_bad_compressed_image_costs_that_image(start, graph):
    node = start(input_topic="/eye/image/compressed")
    active(node)
    camera = graph.publisher(CompressedImage, "/eye/image/compressed")
    labels = graph.collect(Image, "/segmentation/label")
    send(camera, compressed(jpeg()), labels)
    time.sleep(0.2)  # what send repeated is through
    for name, (reason, message) in BAD_COMPRESSED.items():
        labels.clear()
        before = dropped(node, reason)
        camera.publish(message)
        counted(name, lambda reason=reason, before=before: dropped(node, reason) == before + 1)
        assert not labels, name
        camera.publish(compressed(jpeg()))
        counted(name, lambda: labels)
        assert (labels[0].height, labels[0].width) == (48, 72), name


def counted(name, condition):
    """Waits for `condition`; what fails is named after the bad frame."""
    try:
        wait_for(condition)
    except pytest.fail.Exception as failure:
        raise AssertionError(name) from failure


def test_bad_frames_are_logged_once_a_second(serving, capfd):
    node, camera, _labels = serving
    capfd.readouterr()
    start, before = time.monotonic(), dropped(node, "encoding")
    for _ in range(60):
        camera.publish(BAD["depth as colour"][1])
        time.sleep(0.02)
    wait_for(lambda: dropped(node, "encoding") - before > 30)
    lines = capfd.readouterr().err.count("frame dropped")
    assert 1 <= lines <= 1 + time.monotonic() - start


def test_what_a_peer_wrote_is_one_short_line_in_the_log(serving, capfd):
    node, camera, _labels = serving
    capfd.readouterr()
    camera.publish(broken(encoding="\x1b[2J\nERROR all is lost\r\u202e" * 8))
    wait_for(lambda: dropped(node, "encoding"))
    time.sleep(0.1)  # the log's line follows the count
    said = capfd.readouterr().err
    (line,) = said.splitlines()
    assert len(line.partition("frame dropped")[2]) < 200
    assert line.isprintable()


def test_damaged_images_are_published_on_demand_and_counted(start, graph, capfd):
    node = start(input_topic="/eye/image/compressed", damaged_images="publish")
    active(node)
    camera = graph.publisher(CompressedImage, "/eye/image/compressed")
    labels = graph.collect(Image, "/segmentation/label")
    statistics = node.cameras[0].statistics
    send(camera, compressed(jpeg()[:-400]), labels)
    wait_for(lambda: statistics.noted["damaged"])
    wait_for(lambda: statistics.noted["damaged"] == statistics.frames_out)
    assert not statistics.dropped["corrupt"]
    assert "although damaged: " in capfd.readouterr().err
    node.set_parameters([Parameter("damaged_images", value="drop")])
    wait_for(lambda: (camera.publish(compressed(jpeg()[:-400])), time.sleep(0.05), dropped(node, "corrupt"))[2])


def samples():
    """Good messages of many kinds, as `(type, bytes)`."""
    rng = np.random.default_rng(1)
    for encoding, form in ENCODINGS.items():
        step = 24 * form.channels * (2 if form.wide else 1)
        data = rng.integers(0, 256, 16 * form.rows // 2 * step, np.uint8).tobytes()
        message = Image(height=16, width=24, encoding=encoding, step=step, data=data)
        message.header.frame_id = "eye"
        yield Image, serialize_message(message)
    yield CompressedImage, compressed(jpeg(16, 24))
    yield CompressedImage, compressed(cv2.imencode(".png", np.zeros((16, 24, 3), np.uint8))[1].tobytes(), "png")


def mutated(message, rng):
    """One to eight bytes changed, in the first 64 or anywhere; sometimes cut or grown."""
    message = bytearray(message)
    end = len(message) if rng.random() < 0.3 else min(64, len(message))
    for _ in range(rng.integers(1, 9)):
        message[rng.integers(0, end)] = rng.integers(0, 256)
    if rng.random() < 0.1:
        del message[rng.integers(0, len(message)) :]
    if rng.random() < 0.1:
        message += bytes(rng.integers(0, 256, rng.integers(1, 100), np.uint8))
    return bytes(message)


class Totals:
    """Counts of several cameras."""

    def __init__(self, statistics):
        self._statistics = statistics

    @property
    def frames_in(self):
        return sum(s.frames_in for s in self._statistics)

    @property
    def frames_out(self):
        return sum(s.frames_out for s in self._statistics)

    @property
    def dropped(self):
        return sum((s.dropped for s in self._statistics), Counter())


def test_mutated_messages_are_published_or_counted(start, graph, request):
    node = start()
    active(node)
    run_on(node, Nothing())
    node.get_logger().set_level(50)
    request.addfinalizer(lambda: node.get_logger().set_level(0))  # it is by name, for all nodes of this process
    eyes = {Image: sinking(node), CompressedImage: sinking(node, "/eye/image/compressed")}
    counts = Totals([eye.statistics for eye, _ in eyes.values()])
    good = list(samples())
    rng = np.random.default_rng(7)
    slowest = 0.0
    for i in range(MUTATIONS):
        kind, message = good[i % len(good)]
        start_ = time.perf_counter()
        eyes[kind][1](mutated(message, rng), {})
        while counts.frames_out + counts.dropped.total() <= i:
            assert time.perf_counter() - start_ < 60.0, "it hangs"
            time.sleep(0)
        slowest = max(slowest, time.perf_counter() - start_)
    assert counts.frames_in == MUTATIONS == counts.frames_out + counts.dropped.total()
    print(f"\n{MUTATIONS} mutations: {counts.frames_out} published, {slowest:.2f} s at most, {dict(counts.dropped)}")
    assert counts.frames_out > MUTATIONS / 20
    assert not counts.dropped.keys() & {"internal", "engine", "stale"}
    camera, labels = graph.publisher(Image, "/eye/image"), graph.collect(Image, "/segmentation/label")
    send(camera, picture(), labels)
