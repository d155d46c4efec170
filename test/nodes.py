"""A segmentation node on the test's graph: how to start it, feed it, and make its engine misbehave."""

from __future__ import annotations

import threading
import time

import numpy as np
from std_msgs.msg import Header

from seg_ros.classes import CAMVID
from seg_ros.engines.opening import Engine
from seg_ros.results import Result, SemanticMap
from seg_ros.ros import messages
from seg_ros.ros.cameras import Camera
from seg_ros.ros.executor import GuardedExecutor
from seg_ros.ros.outputs import OUTPUTS
from seg_ros.ros.subscription import Subscription
from test.conftest import wait_for
from test.objects import found


def picture(stamp=1, size=(48, 72), encoding="rgb8"):
    header = Header(frame_id="eye")
    header.stamp.sec, header.stamp.nanosec = stamp, 123456789
    pixels = np.random.default_rng(stamp).integers(0, 256, (*size, 3), np.uint8)
    return messages.image(header, pixels, encoding)


def state(node):
    return node.state


def active(node):
    return wait_for(lambda: state(node) == "active")


def send(camera, message, *received):
    """Publishes until all the lists have something: discovery takes its time, and so does the node's look at it."""
    camera.publish(message)
    wait_for(lambda: all(received) or (camera.publish(message), time.sleep(0.1))[0])


def before_each_frame(node, action):
    """Makes the active node do something, such as sleep or raise, before each frame; None: nothing any more."""
    runner = node._segmenter.runner
    run_on(node, Before(runner, action) if action else runner)


def run_on(node, runner):
    """Gives the active node's worker another runner."""
    node._worker._runner = runner


def move(graph, node, monkeypatch):
    """Takes a node from the graph's executor to a guarded one."""
    graph._executor.remove_node(node)
    executor = GuardedExecutor(node.callback_errors.raised)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    shutdown = graph._executor.shutdown
    monkeypatch.setattr(graph._executor, "shutdown", lambda: (executor.shutdown(), thread.join(10), shutdown()))


def ask(graph, name, kind, **fields):
    """The answer of the node's service to a request of these fields."""
    client = graph.client.create_client(kind, f"/segmentation/{name}")
    assert client.wait_for_service(20)
    future = client.call_async(kind.Request(**fields))
    wait_for(future.done)
    graph.client.destroy_client(client)
    return future.result()


class Before:
    """A runner that does something, such as sleep or raise, before each frame."""

    def __init__(self, runner, action):
        self._runner, self._action = runner, action

    def run(self, *arguments):
        self._action()
        return self._runner.run(*arguments)

    def __getattr__(self, name):
        return getattr(self._runner, name)


class Sender:
    """A camera that sends at a rate, from a thread of its own, until it is stopped."""

    def __init__(self, camera, message, rate=30.0):
        self._camera, self._message, self._period = camera, message, 1.0 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.wait(self._period):
            self._camera.publish(self._message)

    def stop(self):
        self._stop.set()
        self._thread.join()


class Sink:
    """In place of a camera's publishers: somebody wants the label, which is made and not sent."""

    def __init__(self):
        self.done = threading.Event()

    def wanted(self):
        return ["label"]

    def need_confidence(self, topics):
        return False

    def publish(self, outcome, topics):
        for name in topics:
            assert OUTPUTS[name].fill(outcome)
        self.done.set()

    def destroy(self):
        pass


def sinking(node, topic="/eye/image"):
    """A camera of the active node whose labels nobody needs to receive, and what takes its messages."""
    camera = Camera(topic, "", Sink())
    return camera, Subscription(node, camera, node._worker.mailbox, node._inputs[0]._failures)._receive


class Nothing:
    """In place of a runner: class 0 everywhere, at once."""

    engine = Engine("none", "fp32", "cpu", None, {})
    input_size = (64, 96)
    batch = 1

    def batches(self, frames):
        return (slice(i, i + 1) for i in range(len(frames)))

    def ready(self, frame):
        return True

    def run(self, frames, wanted):
        return [Result(frame, self.output((frame.height, frame.width), wanted), {}) for frame in frames]

    def output(self, size, wanted):
        return SemanticMap(*np.zeros((2, *size), np.uint8))


class Objects(Nothing):
    """In place of a segmenter of instances and its runner: finds `test.objects.found`, and two too many."""

    task = "instances"
    classes = CAMVID
    least_score = 0.05

    def __init__(self):
        self.selections = []
        self.runner = self

    def output(self, size, wanted):
        self.selections.append(wanted.selection)
        return found(size, capped=2)


def fail(error):
    """An action for `Before` that raises `error`."""

    def action():
        raise error

    return action
