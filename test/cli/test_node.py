"""The node as a user starts it, with a camera in another process."""

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from lifecycle_msgs.srv import ChangeState, GetState
from sensor_msgs.msg import Image

from seg_ros.ros.qos import camera_qos
from test.conftest import wait_for


def test_help_is_shown_and_starts_no_node(run):
    node = run("node", "--help", stdout=subprocess.PIPE)
    assert "--ros-args -p weights:=" in node.communicate(timeout=30)[0]
    assert node.returncode == 0


@pytest.mark.parametrize("arguments", [["weights:=mine"], ["-p", "weights:=mine"], ["mine", "--ros-args"]])
def test_an_argument_that_ros_does_not_read_is_refused(run, arguments):
    node = run("node", *arguments, stderr=subprocess.PIPE)
    error = node.communicate(timeout=30)[1]
    assert node.returncode == 2
    assert "usage: node [-h] [--ros-args -p NAME:=VALUE ...]" in error
    assert f"unrecognized arguments: {arguments[0]}" in error
    assert ("--ros-args -p weights:=mine" in error) is ("weights:=mine" in arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["weights:=mine"], "--ros-args -p weights:=mine"),
        (["-p", "weights"], "parameter override rule: '-p weights'"),
        (["--params-file", "/no/such.yaml"], "params file: '--params-file /no/such.yaml'"),
    ],
)
def test_wrong_ros_arguments_are_named_without_a_traceback(run, arguments, words):
    node = run("node", "--ros-args", *arguments, stderr=subprocess.PIPE)
    error = node.communicate(timeout=30)[1]
    assert node.returncode == 2
    assert words in error
    assert "Traceback" not in error


def test_the_first_line_comes_before_pytorch_is_loaded(ros_env):
    program = """
import sys
sys.modules["torch"] = None  # loading it fails
sys.argv = ["node"]
from seg_ros.cli.node import main
main()
"""
    said = subprocess.run([sys.executable, "-c", program], env=ros_env, capture_output=True, text=True).stderr
    assert "[segmentation]: starting" in said.splitlines()[0]
    assert "import of torch halted" in said


def call(graph, kind, service, request):
    client = graph.client.create_client(kind, service)
    assert client.wait_for_service(30)
    # The request is repeated: one may go to a node of the test before, which the graph has not forgotten yet.
    futures = []

    def answer():
        futures.append(client.call_async(request))
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            done = [f for f in futures if f.done()]
            if done:
                return done
            time.sleep(0.01)
        return []

    return wait_for(answer, 30)[0].result()


def test_life_cycle_and_labels_of_another_process(graph, run, small_weights):
    images = graph.collect(Image, "/camera/image_raw", camera_qos(False))
    labels = graph.collect(Image, "/segmentation/label")
    run("camera", "--size", 120, 160, "--frame-id", "eye")
    node = run(
        "node", "--ros-args", "-p", f"weights:={small_weights}", "-p", "engine:=eager", "-p", "autostart:=false",
        "-p", "input_topic:=/camera/image_raw",
    )  # fmt: skip

    def state():
        return call(graph, GetState, "/segmentation/get_state", GetState.Request()).current_state.label

    def change(transition):
        request = ChangeState.Request()
        request.transition.label = transition
        return call(graph, ChangeState, "/segmentation/change_state", request).success

    def stamp(message):
        return message.header.stamp.sec, message.header.stamp.nanosec

    def matches():  # the client may find the camera later than the node does
        sent = {stamp(image) for image in list(images)}
        found = [label for label in list(labels) if stamp(label) in sent]
        return found if len(found) >= 5 else []

    assert state() == "unconfigured"
    assert not labels
    for _ in range(2):
        assert change("configure")
        assert state() == "inactive"
        assert change("activate")
        assert state() == "active"
        assert not change("configure")  # no such transition from here
        assert state() == "active"
        for label in wait_for(matches, 60):
            assert (label.header.frame_id, label.height, label.width, label.step) == ("eye", 120, 160, 160)
        assert change("deactivate")
        assert change("cleanup")
        labels.clear()
    assert state() == "unconfigured"
    node.send_signal(signal.SIGINT)
    assert node.wait(10) == 0
