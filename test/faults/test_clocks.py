"""Stamps that lie, and clocks that jump: nothing stale is published, and output never stops for good."""

import time

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from test.conftest import wait_for
from test.nodes import active, picture, send


def stamped(nanoseconds):
    message = picture()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 10**9)
    return message


def now():
    return time.time_ns()


def diagnosed(statuses, text):
    return [s for a in list(statuses) for s in a.status if text in s.message]


@pytest.mark.parametrize(("stamp", "kind"), [(lambda: 0, "zero_stamp"), (lambda: now() + 5 * 10**9, "future_stamp")])
def test_an_odd_stamp_is_published_as_it_is_and_noted(serving, graph, stamp, kind):
    node, camera, labels = serving
    statuses = graph.collect(DiagnosticArray, "/diagnostics")
    wait_for(lambda: statuses)
    labels.clear()
    message = stamped(stamp())
    send(camera, message, labels)
    assert labels[-1].header == message.header
    assert node.cameras[0].statistics.noted[kind] >= 1
    wait_for(lambda: diagnosed(statuses, kind), 2)
    assert diagnosed(statuses, kind)[0].level == DiagnosticStatus.WARN


def test_a_zero_stamp_spoils_no_age(serving):
    node, camera, labels = serving
    labels.clear()
    send(camera, stamped(0), labels)
    node.cameras[0].statistics._timings.clear()
    labels.clear()
    send(camera, stamped(0), labels)
    assert "age" not in node.cameras[0].statistics.timings()["p50"]


def test_old_frames_are_dropped_if_that_is_asked_for(serving):
    node, camera, labels = serving
    node.set_parameters([Parameter("max_frame_age", value=1.0)])
    time.sleep(0.3)
    labels.clear()
    before = node.cameras[0].statistics.dropped["old"]
    camera.publish(stamped(now() - 3 * 10**9))
    wait_for(lambda: node.cameras[0].statistics.dropped["old"] == before + 1)
    assert not labels
    send(camera, stamped(now()), labels)


@pytest.fixture
def simulated(start, graph):
    """An active node under a simulated clock: `(node, camera, labels, tell)`; `tell(s)` publishes the time."""
    node = start(use_sim_time=True, max_frame_age=1.0)
    active(node)
    clock = graph.client.create_publisher(Clock, "/clock", QoSProfile(depth=1))
    camera, labels = graph.publisher(Image, "/eye/image"), graph.collect(Image, "/segmentation/label")

    def tell(seconds):
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(int(seconds * 1e9), 10**9)
        wait_for(
            lambda: (clock.publish(message), time.sleep(0.02), node.get_clock().now().to_msg() == message.clock)[2]
        )

    return node, camera, labels, tell


def test_before_the_simulated_clock_starts_frames_are_served(simulated):
    _node, camera, labels, _tell = simulated
    send(camera, stamped(10**9), labels)


@pytest.mark.parametrize("jump", [-90.0, 90.0])
def test_output_resumes_with_the_first_frame_after_a_jump_of_the_clock(simulated, jump):
    node, camera, labels, tell = simulated
    tell(100.0)
    send(camera, stamped(100 * 10**9), labels)
    tell(100.0 + jump)
    labels.clear()
    start, after = time.monotonic(), int((100.0 + jump) * 1e9)
    send(camera, stamped(after), labels)  # the camera lives by the same clock
    print(f"\nthe clock jumps by {jump:g} s: output resumes after {time.monotonic() - start:.2f} s")
    assert not node.cameras[0].statistics.dropped["old"]
    assert labels[-1].header.stamp.sec == after // 10**9
    camera.publish(stamped(after - 2 * 10**9))
    wait_for(lambda: node.cameras[0].statistics.dropped["old"] == 1)


def test_the_wall_clock_jumps_back_and_output_goes_on(serving):
    node, camera, labels = serving
    labels.clear()
    send(camera, stamped(now()), labels)
    labels.clear()
    send(camera, stamped(now() - 3600 * 10**9), labels)  # what a camera stamps after its clock was set back
    assert not node.cameras[0].statistics.dropped["old"]
