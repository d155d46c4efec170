"""Launches the segmentation node for a camera topic; with camera:=true also a camera that publishes a synthetic street.

    ros2 launch seg_ros segment.launch.py --show-args
    ros2 launch seg_ros segment.launch.py camera:=true rviz:=true
    ros2 launch seg_ros segment.launch.py input_topics:='[/front/image_raw, /rear/image_raw]'

The node configures and activates itself (its parameter `autostart`), also after a respawn. An argument that is given
overrides `profile`, which overrides `params_file`, which overrides the node's default.
"""

import dataclasses
import difflib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_prefix, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from seg_ros import fast_dds
from seg_ros.engines import ENGINES
from seg_ros.ros.names import camera_names
from seg_ros.ros.parameters import Parameters
from seg_ros.share import expanded

CONFIG = Path(get_package_share_directory("seg_ros"), "config")
PROFILES = sorted(file.stem for file in (CONFIG / "profiles").glob("*.yaml"))
"""Programs that take the node's outputs, each with parameters of the node that suit it."""
CAMERA_TOPIC = "/camera/image_raw"
SWITCH = ("true", "false", "True", "False")
LEVELS = ("debug", "info", "warn", "error", "fatal")
PARAMETERS = ("weights", "model", "engine", "input_topic", "input_topics")
"""Parameters of the node that are also arguments. Empty means not given: a default would override params_file."""

SPACE = ("depth_topic", "points_topic")
"""Arguments that also start the node lift, whose parameters they are."""

VIEWED = {"segmentation": "segmentation", "lift": "lift"}
"""Names of the nodes that the page shows: relative, so below the namespace."""


def arguments() -> list[DeclareLaunchArgument]:
    """Declares the launch arguments."""

    def argument(name: str, default: str, description: str, *choices: str) -> DeclareLaunchArgument:
        return DeclareLaunchArgument(name, default_value=default, description=description, choices=choices or None)

    return [
        argument("params_file", str(CONFIG / "segment.yaml"), "YAML file of the node's parameters"),
        argument(
            "profile", "", "parameters that suit a program that takes the outputs; override params_file", "", *PROFILES
        ),
        argument(
            "weights",
            "",
            "weights file, or bare name of shipped weights; empty: with camera:=true unet_street (MODEL_street), "
            "else as in params_file",
        ),
        argument("model", "", "architecture that the weights must have; empty: as in params_file"),
        argument("engine", "", "what runs the network; empty: as in params_file", "", "auto", *ENGINES),
        argument(
            "input_topic",
            "",
            "camera topic; without a leading / it is below the namespace; a CompressedImage topic ends in /compressed; "
            f"empty: as in params_file, where the name 'image' is {CAMERA_TOPIC}",
        ),
        argument(
            "input_topics",
            "",
            "topics of several cameras in place of input_topic, as a YAML list: '[/front/image_raw, /rear/image_raw]'; "
            "outputs are below the camera's name: segmentation/front/label; empty: as in params_file",
        ),
        argument("depth_topic", "", "depth image of the camera; also starts the node lift: points and boxes in metres"),
        argument(
            "points_topic",
            "",
            "in place of depth_topic: the PointCloud2 of a LiDAR, whose place tf2 knows; with input_topics each camera "
            "has a node lift of its own, lift_CAMERA",
        ),
        argument("namespace", "", "namespace of the node and its topics: NAMESPACE/segmentation/label"),
        argument("camera", "false", f"publish a synthetic street camera on {CAMERA_TOPIC}", *SWITCH),
        argument("rviz", "false", "show camera, overlay, colour labels, points and boxes in rviz2", *SWITCH),
        argument(
            "view", "false", "show points, boxes and pictures on a page in the browser, http://localhost:8080", *SWITCH
        ),
        argument("log_level", "info", "log level of the node, not of ROS below it", *LEVELS),
        argument("respawn", "false", "start the segmentation node again 1 s after it ends", *SWITCH),
    ]


def fast_dds_profile() -> list[SetEnvironmentVariable]:
    """Sets the Fast DDS profile whose shared memory images fit into, unless the user has chosen a profile."""
    return [SetEnvironmentVariable(name, file) for name, file in fast_dds.settings().items()]


def check(given: list[str]) -> None:
    """Refuses arguments of the command line that do not exist: launch would ignore them.

    Raises:
        ValueError: names them, and what may be meant.
    """
    if Path(__file__).name not in {Path(word).name for word in sys.argv}:
        return  # the command line is of a launch file that includes this one, and has its own arguments
    known = [argument.name for argument in arguments()]
    parameters = [field.name for field in dataclasses.fields(Parameters)]
    for name in (word.partition(":=")[0] for word in given):
        if name in known or name.startswith("launch-prefix"):  # ros2 launch makes these of its options
            continue
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else "; --show-args prints those that there are"
        if name in parameters:
            hint = ", but a parameter of the node: write it into a params_file"
        raise ValueError(f"{name} is no argument of {Path(__file__).name}{hint}")


def above(context: LaunchContext) -> str:
    """Returns the namespace of the nodes; a launch file that includes this one may have pushed another one before."""
    pushed, own = context.launch_configurations.get("ros_namespace"), LaunchConfiguration("namespace").perform(context)
    return make_namespace_absolute(prefix_namespace(pushed, own)) or ""


def logger(context: LaunchContext) -> str:
    """Returns the name of the node's logger."""
    return f"{above(context)}/segmentation".strip("/").replace("/", ".")


def lift_names(namespace: str, cameras: list[str]) -> dict[str, str]:
    """Returns names of the nodes lift, and for each the node, or the camera's part of it, that labels for it.

    Args:
        namespace: of the nodes.
        cameras: topics of several cameras; none where there is one.
    """
    if len(cameras) < 2:
        return {"lift": "segmentation"}
    names = camera_names([prefix_namespace(namespace, topic) for topic in cameras])
    return {f"lift_{name}": f"segmentation/{name}" for name in names}


def suited(profile: str) -> dict:
    """Reads the node's parameters of a profile; an empty name has none."""
    if not profile:
        return {}
    return yaml.safe_load((CONFIG / "profiles" / f"{profile}.yaml").read_text())["/**"]["ros__parameters"]


def topics(text: str) -> list[str]:
    """Reads the argument `input_topics`, a YAML list.

    Raises:
        ValueError: if it is not a YAML list of topic names.
    """
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"input_topics: {text!r} is no YAML: {error}") from error
    if not isinstance(given, list) or not all(isinstance(topic, str) and topic for topic in given):
        raise ValueError(
            f"input_topics: expected a YAML list of topics such as '[/front/image, /rear/image]', got {text!r}"
        )
    return given


def require_rviz() -> None:
    """Checks that rviz2 is there: it is no dependency of this package, since a robot has no screen.

    Raises:
        RuntimeError: if it is not installed.
    """
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError as error:
        package = f"ros-{os.environ.get('ROS_DISTRO', 'DISTRIBUTION')}-rviz2"
        raise RuntimeError(
            f"rviz:=true needs rviz2, which is not installed here: apt install {package}, or leave rviz:=true out and "
            "look at segmentation/overlay from another machine"
        ) from error


def require_viser() -> None:
    """Checks that viser is there, which serves the page.

    Raises:
        RuntimeError: if it is not installed.
    """
    if find_spec("viser") is None:
        raise RuntimeError(
            "view:=true needs viser, which is not installed here: pip install -r requirements/view.txt, or leave "
            "view:=true out"
        )


def nodes(context: LaunchContext) -> list[Node]:
    """Makes the nodes that the arguments ask for.

    Raises:
        FileNotFoundError: if there is no `params_file`.
        RuntimeError: if rviz2 or the page is asked for and not installed.
        ValueError: if `input_topics` is not a list, goes with `depth_topic`, or an argument does not exist.
    """
    check(context.argv)
    values = {name: LaunchConfiguration(name).perform(context) for name in PARAMETERS}
    given = {name: ParameterValue(value, value_type=str) for name, value in values.items() if value}
    lifted = {name: LaunchConfiguration(name).perform(context) for name in SPACE}
    space = {name: ParameterValue(value, value_type=str) for name, value in lifted.items() if value}
    profile = suited(LaunchConfiguration("profile").perform(context))
    cameras = topics(values["input_topics"]) if values["input_topics"] else []
    if len(cameras) > 1 and lifted["depth_topic"]:
        raise ValueError(
            f"depth_topic is of one camera, and input_topics names {len(cameras)}: leave it out, and start a node lift "
            "for each depth camera beside this launch (docs/lifting.md)"
        )
    if cameras:
        given["input_topics"] = ParameterValue(cameras, value_type=list[str])
    if values["input_topics"] and not values["input_topic"]:  # else params_file's would be another camera
        given["input_topic"] = ParameterValue(Parameters.input_topic, value_type=str)
    if values["input_topic"] and not values["input_topics"]:
        given["input_topics"] = ParameterValue(list(Parameters.input_topics), value_type=list[str])
    if not values["weights"] and IfCondition(LaunchConfiguration("camera")).evaluate(context):
        model = values["model"] or profile.get("model", "unet")
        given["weights"] = f"{model}_street"  # the default is for real roads
    topic = values["input_topic"] or CAMERA_TOPIC
    file = expanded(LaunchConfiguration("params_file").perform(context), "params_file")
    if not file.is_file():  # launch_ros only warns, and the node would run with its defaults
        raise FileNotFoundError(f"params_file {file}: no such file")
    segmentation = Node(
        package="seg_ros",
        executable="node",
        name="segmentation",
        namespace=LaunchConfiguration("namespace"),
        parameters=[str(file), *(values for values in (profile, given) if values)],
        remappings=[("image", topic)],  # the default of the parameter input_topic
        ros_arguments=["--log-level", [logger(context), ":=", LaunchConfiguration("log_level")]],
        respawn=LaunchConfiguration("respawn"),
        respawn_delay=1.0,
        output="screen",
    )
    lifts = [
        Node(
            package="seg_ros",
            executable="lift",
            name=name,
            namespace=LaunchConfiguration("namespace"),
            # The segmentation node's values tell it the weights; what it does not know it leaves alone.
            parameters=[str(file), *(v for v in (profile, given) if v), {"segmentation": labels} | space],
            respawn=LaunchConfiguration("respawn"),
            respawn_delay=1.0,
            output="screen",
        )
        for name, labels in lift_names(above(context), cameras).items()
    ]
    if IfCondition(LaunchConfiguration("view")).evaluate(context):
        require_viser()
    view = Node(
        package="seg_ros",
        executable="view",
        name="view",
        namespace=LaunchConfiguration("namespace"),
        parameters=[str(file), *(v for v in (profile, given) if v), VIEWED],
        remappings=[("image", topic)],
        output="screen",
        condition=IfCondition(LaunchConfiguration("view")),
    )
    camera = Node(
        package="seg_ros",
        executable="camera",
        arguments=["--space"] if space else [],
        output="screen",
        condition=IfCondition(LaunchConfiguration("camera")),
    )
    if IfCondition(LaunchConfiguration("rviz")).evaluate(context):
        require_rviz()
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        namespace=LaunchConfiguration("namespace"),
        arguments=["-d", str(CONFIG / "segment.rviz")],
        # The file names the topics of a launch without arguments; a relative name is below the namespace.
        remappings=[
            (CAMERA_TOPIC, topic),
            ("/segmentation/overlay", "segmentation/overlay"),
            ("/segmentation/color", "segmentation/color"),
            ("/lift/points", "lift/points"),
            ("/lift/objects", "lift/objects"),
        ],
        output="screen",
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    return [rviz, view, camera, segmentation, *(lifts if space else [])]


def generate_launch_description() -> LaunchDescription:
    """Returns the launch description: arguments, transport, processes."""
    return LaunchDescription([*arguments(), *fast_dds_profile(), OpaqueFunction(function=nodes)])
