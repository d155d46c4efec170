"""The launch file and the files it hands out: parameters, rviz, Fast DDS profile."""

import contextlib
import dataclasses
import importlib.util
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from seg_ros import fast_dds
from test.conftest import wait_for

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "launch/segment.launch.py"


def load(name):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return yaml.safe_load((ROOT / "config" / name).read_text())


# Configuration files


def test_parameters_file_is_every_parameter_at_its_default():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from seg_ros.ros.parameters import Parameters

    values = load("segment.yaml")["/**"]["ros__parameters"]
    defaults = dataclasses.asdict(Parameters())
    defaults = {name: list(v) if isinstance(v, tuple) else v for name, v in defaults.items()}
    assert values == defaults
    assert {name: type(value) for name, value in values.items()} == {n: type(v) for n, v in defaults.items()}


def test_every_parameter_in_the_file_has_a_comment():
    lines = [line.strip() for line in (ROOT / "config/segment.yaml").read_text().splitlines()]
    keys = lines[lines.index("ros__parameters:") + 1 :]
    for before, line in itertools.pairwise(keys):
        assert not line or line.startswith("#") or before.startswith("# "), line


def test_rviz_shows_camera_overlay_and_labels():
    config = load("segment.rviz")
    manager = config["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "camera_optical_frame"
    shown = {d["Topic"]["Value"]: d["Topic"]["Reliability Policy"] for d in manager["Displays"] if d["Enabled"]}
    assert shown == {
        "/camera/image_raw": "Best Effort",
        "/segmentation/overlay": "Reliable",
        "/segmentation/color": "Reliable",
    }
    window = bytes.fromhex(config["Window Geometry"]["QMainWindow State"])
    for name in [d["Name"] for d in manager["Displays"]] + [p["Name"] for p in config["Panels"]]:
        assert name in config["Window Geometry"]
        assert name.encode("utf-16-be") in window  # Qt's own record of where the panel is


# Launch description


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """An ament prefix that has seg_ros as this checkout, whether or not a workspace is sourced."""
    for folder in ("lib/seg_ros", "share/ament_index/resource_index/packages"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/seg_ros").touch()
    (tmp_path / "share/seg_ros").symlink_to(ROOT)
    for name in ("node", "camera"):
        executable = tmp_path / "lib/seg_ros" / name
        executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seg_ros.cli.{name} "$@"\n')
        executable.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return tmp_path


@pytest.fixture
def segment(prefix):
    """The launch file as a module."""
    pytest.importorskip("launch_ros", reason="launch_ros is not installed")
    spec = importlib.util.spec_from_file_location("segment_launch", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def started(segment):
    """The processes that a launch with these arguments starts: name of the executable -> action."""
    from launch import LaunchContext

    def started(**given):
        context = LaunchContext()
        context.launch_configurations.update(given)
        for argument in segment.arguments():
            argument.visit(context)
        nodes = {node.node_executable: node for node in segment.nodes(context)}
        return {name: n for name, n in nodes.items() if n.condition is None or n.condition.evaluate(context)}

    return started


def test_arguments(segment):
    from seg_ros.engines import ENGINES

    arguments = {a.name: a for a in segment.generate_launch_description().get_launch_arguments()}
    assert set(arguments) == {
        "params_file", "weights", "model", "engine", "input_topic", "input_topics", "namespace", "camera", "rviz",
        "log_level", "respawn",
    }  # fmt: skip
    for name, argument in arguments.items():
        assert len(argument.description) > 15, name
        assert argument.default_value is not None, name
    assert set(arguments["engine"].choices) == {"", "auto", *ENGINES}
    assert set(segment.PARAMETERS) < set(load("segment.yaml")["/**"]["ros__parameters"])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, {"node"}),
        ({"camera": "true"}, {"node", "camera"}),
        ({"camera": "True", "rviz": "true"}, {"node", "camera", "rviz2"}),
    ],
)
def test_processes(started, given, names):
    assert set(started(**given)) == names


@pytest.mark.parametrize(
    ("given", "weights"),
    [
        ({}, None),
        ({"model": "mask_rcnn"}, None),
        ({"camera": "true"}, "unet_street"),
        ({"camera": "true", "model": "mask_rcnn"}, "mask_rcnn_street"),
        ({"camera": "true", "model": "mask_rcnn", "weights": "mine"}, "mine"),
    ],
)
def test_weights_of_the_street(segment, monkeypatch, given, weights):
    from launch import LaunchContext

    made = []
    monkeypatch.setattr(segment, "Node", lambda **options: made.append(options))
    context = LaunchContext()
    context.launch_configurations.update(given)
    for argument in segment.arguments():
        argument.visit(context)
    segment.nodes(context)
    (node,) = (options for options in made if options["executable"] == "node")
    _file, *arguments = node["parameters"]
    chosen = arguments[0].get("weights") if arguments else None
    assert getattr(chosen, "value", chosen) == weights


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("[/front/image_raw, /rear/image_raw]", ["/front/image_raw", "/rear/image_raw"]),
        ("['/front/image_raw']", ["/front/image_raw"]),
        ("[]", []),
    ],
)
def test_topics_are_a_yaml_list(segment, text, topics):
    assert segment.topics(text) == topics


@pytest.mark.parametrize("text", ["/front/image_raw", "[/front/image_raw", "[1, 2]", "['']", "{front: image}"])
def test_topics_that_are_no_list_are_refused(segment, text):
    with pytest.raises(ValueError, match=r"^input_topics: ") as caught:
        segment.topics(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("wrong", [{"engine": "warp"}, {"camera": "maybe"}, {"log_level": "loud"}])
def test_wrong_choice_is_refused(started, wrong):
    (name,) = wrong
    with pytest.raises(RuntimeError, match=name):
        started(**wrong)


def test_missing_parameters_file_is_named(started, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nope\.yaml"):
        started(params_file=str(tmp_path / "nope.yaml"))


def test_fast_dds_profile(segment, monkeypatch):
    from launch import LaunchContext
    from launch.utilities import perform_substitutions

    for name in fast_dds.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    (action,) = segment.fast_dds_profile()
    given = tuple(perform_substitutions(LaunchContext(), part) for part in (action.name, action.value))
    assert [given] == list(fast_dds.settings().items())
    monkeypatch.setenv(given[0], "/mine.xml")
    assert segment.fast_dds_profile() == []


# A real launch

LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
file, *arguments = sys.argv[1:]
source = PythonLaunchDescriptionSource(file)
service = LaunchService()
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


def test_a_topic_may_have_the_name_that_stands_for_the_camera(launch, graph, small_weights):
    from sensor_msgs.msg import Image

    launch(weights=small_weights, engine="eager", namespace="robot", input_topic="image")
    graph.collect(Image, "/robot/segmentation/label")  # a camera whose frames nobody wants is not subscribed to
    wait_for(lambda: graph.client.count_subscribers("/robot/image") == 1, 60)


def test_several_cameras(launch, graph, remote, small_weights):
    from sensor_msgs.msg import Image

    launch(weights=small_weights, engine="eager", namespace="robot", input_topics="[/front/image, rear/image]")
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


def test_wrong_parameter_leaves_the_node_unconfigured(launch, remote, small_weights, tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("/**:\n  ros__parameters:\n    overlay_alpha: 7.0\n")
    process = launch(params_file=file, weights=small_weights, engine="eager")
    assert remote.state("/segmentation") == "unconfigured"
    assert process.poll() is None
