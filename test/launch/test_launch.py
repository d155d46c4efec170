"""Real launches, on a graph of the test's own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from test.conftest import wait_for
from test.launch.conftest import FILE

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *arguments = sys.argv[1:]
source = PythonLaunchDescriptionSource(file)
service = LaunchService(argv=arguments)
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(source, launch_arguments=[tuple(a.split(":=", 1)) for a in arguments])
]))
sys.exit(service.run())
"""


@pytest.fixture
def launch(segment, ros_env, prefix):
    """Launches with these arguments, in a session of its own: nothing of it outlives the test."""
    processes = []
    env = ros_env | {name: os.environ[name] for name in ("AMENT_PREFIX_PATH", "PYTHONPATH")}

    def launch(**given):
        command = [sys.executable, "-c", LAUNCH, str(FILE), *(f"{k}:={v}" for k, v in given.items())]
        processes.append(subprocess.Popen(command, env=env, cwd=prefix, start_new_session=True))
        return processes[-1]

    yield launch
    for process in processes:  # gently first: the graph remembers a killed node for a while, and later tests meet it
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(15)


@pytest.fixture
def remote(graph):
    """Asks a node for its life-cycle state and its parameters."""
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters
    from rclpy.parameter import parameter_value_to_python

    def call(kind, service, request):
        client = graph.client.create_client(kind, service)
        for _ in range(60):  # a request to a process that was just killed is never answered
            if client.wait_for_service(1):
                future = client.call_async(request)
                end = time.monotonic() + 1
                while not future.done() and time.monotonic() < end:
                    time.sleep(0.01)
                if future.done():
                    return future.result()
        return pytest.fail(f"{service} does not answer")

    def values(node, *names):
        answer = call(GetParameters, f"{node}/get_parameters", GetParameters.Request(names=names))
        return [parameter_value_to_python(value) for value in answer.values]

    return SimpleNamespace(
        state=lambda node: call(GetState, f"{node}/get_state", GetState.Request()).current_state.label, values=values
    )


def children(process, word):
    """Ids of the processes of a launch whose command line has the word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            group = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[2])
            if group == process.pid and word in (folder / "cmdline").read_text().split("\0"):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def interrupted(process):
    """The exit status after ctrl-C, which a terminal sends to the whole group."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(30)


def test_a_depth_camera_also_starts_the_lift(launch, graph, small_weights):
    from sensor_msgs.msg import PointCloud2

    process = launch(
        camera="true", weights=small_weights, engine="eager", namespace="car", depth_topic="/camera/depth/image_raw"
    )
    clouds = graph.collect(PointCloud2, "/car/lift/points")
    wait_for(lambda: clouds, 60)
    assert (clouds[0].height, clouds[0].width) == (480, 640)
    assert interrupted(process) == 0


def test_launch_segments_the_camera_and_leaves_nothing_behind(launch, graph, remote, small_weights):
    from sensor_msgs.msg import Image

    process = launch(camera="True", weights=small_weights, engine="eager", model="unet")
    wait_for(lambda: remote.state("/segmentation") == "active", 60)
    labels = graph.collect(Image, "/segmentation/label")
    wait_for(lambda: labels, 60)
    label = labels[0]
    assert (label.header.frame_id, label.height, label.width) == ("camera_optical_frame", 480, 640)
    assert interrupted(process) == 0
    wait_for(lambda: not children(process, "seg_ros.cli.node") + children(process, "seg_ros.cli.camera"))


def test_given_arguments_override_the_parameters_file(launch, remote, small_weights, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "/robot/segmentation:\n  ros__parameters:\n"
        "    {weights: missing, engine: eager, input_topic: /front/image, overlay_alpha: 0.25}\n"
    )
    names = ("weights", "engine", "input_topic", "overlay_alpha")
    launch(params_file=file, weights=small_weights, namespace="robot")
    wait_for(lambda: remote.state("/robot/segmentation") == "active", 60)
    assert remote.values("/robot/segmentation", *names) == [str(small_weights), "eager", "/front/image", 0.25]


def test_a_profile_stands_between_the_parameters_file_and_what_is_given(launch, remote, small_weights, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/segmentation:\n  ros__parameters: {mask_margin: 1, overlay_alpha: 0.25, model: mask_rcnn}\n")
    launch(params_file=file, profile="nvblox", weights=small_weights, engine="eager", model="unet")
    wait_for(lambda: remote.state("/segmentation") == "active", 60)
    margin, alpha, people = remote.values("/segmentation", "mask_margin", "overlay_alpha", "masks.people")
    assert (margin, alpha, people) == (4, 0.25, ["pedestrian", "bicyclist"])


def test_a_topic_may_have_the_name_that_stands_for_the_camera(launch, graph, small_weights):
    from sensor_msgs.msg import Image

    launch(weights=small_weights, engine="eager", namespace="robot", input_topic="image")
    graph.collect(Image, "/robot/segmentation/label")  # a camera whose frames nobody wants is not subscribed to
    wait_for(lambda: graph.client.count_subscribers("/robot/image") == 1, 60)


def test_an_argument_that_does_not_exist_starts_nothing(launch):
    assert launch(imput_topic="/front/image").wait(30) == 1


def test_several_cameras(launch, graph, remote, small_weights, tmp_path):
    from sensor_msgs.msg import Image

    file = tmp_path / "one.yaml"
    file.write_text("/**:\n  ros__parameters:\n    input_topic: /eye/image\n")
    cameras = "[/front/image, rear/image]"
    launch(params_file=file, weights=small_weights, engine="eager", namespace="robot", input_topics=cameras)
    wait_for(lambda: remote.state("/robot/segmentation") == "active", 60)
    assert remote.values("/robot/segmentation", "input_topics") == [["/front/image", "rear/image"]]
    for camera, topic in (("front", "/front/image"), ("rear", "/robot/rear/image")):
        graph.collect(Image, f"/robot/segmentation/{camera}/label")
        wait_for(lambda topic=topic: graph.client.count_subscribers(topic) == 1)


def test_respawned_node_is_active_again(launch, remote, small_weights):
    process = launch(weights=small_weights, engine="eager", respawn="true")
    wait_for(lambda: remote.state("/segmentation") == "active", 60)
    (before,) = children(process, "seg_ros.cli.node")
    os.kill(before, signal.SIGKILL)
    (after,) = wait_for(lambda: [i for i in children(process, "seg_ros.cli.node") if i != before], 60)
    assert after != before
    wait_for(lambda: remote.state("/segmentation") == "active", 60)
    assert interrupted(process) == 0


def test_wrong_parameter_leaves_the_node_unconfigured(launch, graph, remote, small_weights, tmp_path):
    from diagnostic_msgs.msg import DiagnosticArray

    told = graph.collect(DiagnosticArray, "/diagnostics")
    file = tmp_path / "wrong.yaml"
    file.write_text("/**:\n  ros__parameters:\n    overlay_alpha: 7.0\n")
    process = launch(params_file=file, weights=small_weights, engine="eager")
    wait_for(lambda: any("overlay_alpha" in status.message for array in told for status in array.status), 60)
    assert remote.state("/segmentation") == "unconfigured"
    assert process.poll() is None
