"""The files of config/: every parameter at its default, and what rviz shows."""

import dataclasses
import itertools
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return yaml.safe_load((ROOT / "config" / name).read_text())


def test_parameters_file_is_every_parameter_at_its_default():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from seg_ros.ros.parameters import Parameters

    values = load("segment.yaml")["/**"]["ros__parameters"]
    defaults = dataclasses.asdict(Parameters())
    assert not defaults.pop("masks")  # ROS reads no file with an empty map
    defaults = {name: list(v) if isinstance(v, tuple) else v for name, v in defaults.items()}
    assert values == defaults
    assert {name: type(value) for name, value in values.items()} == {n: type(v) for n, v in defaults.items()}


def test_every_parameter_in_the_file_has_a_comment():
    lines = [line.strip() for line in (ROOT / "config/segment.yaml").read_text().splitlines()]
    keys = lines[lines.index("ros__parameters:") + 1 :]
    for before, line in itertools.pairwise(keys):
        assert not line or line.startswith("#") or before.startswith("# "), line


def test_rviz_shows_camera_overlay_labels_points_and_boxes():
    config = load("segment.rviz")
    manager = config["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == "camera_optical_frame"
    shown = {d["Topic"]["Value"]: d["Topic"]["Reliability Policy"] for d in manager["Displays"] if d["Enabled"]}
    assert shown == {
        "/camera/image_raw": "Best Effort",
        "/segmentation/overlay": "Reliable",
        "/segmentation/color": "Reliable",
        "/lift/points": "Reliable",
        "/lift/objects": "Reliable",
    }
    window = bytes.fromhex(config["Window Geometry"]["QMainWindow State"])
    pictures = [d for d in manager["Displays"] if d["Class"].endswith("/Image")]  # each has a panel of its own
    for name in [d["Name"] for d in pictures] + [p["Name"] for p in config["Panels"]]:
        assert name in config["Window Geometry"]
        assert name.encode("utf-16-be") in window  # Qt's own record of where the panel is


def test_foxglove_opens_with_topics_and_figures_that_there_are():
    """The structure is that of Lichtblick's layouts: `LayoutData`, `validateLayoutData` in its `util/layout.ts`."""
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    from seg_ros.ros.diagnostics import status
    from seg_ros.ros.outputs import OUTPUTS
    from seg_ros.statistics import Statistics

    layout = json.loads((ROOT / "config/segment.foxglove.json").read_text())
    panels = layout["configById"]
    assert all(isinstance(layout[key], dict) for key in ("globalVariables", "userNodes", "layout"))
    assert layout["playbackConfig"] == {"speed": 1}

    def tiles(node):
        if isinstance(node, str):
            return [node]
        assert node["direction"] in ("row", "column")
        assert 0 < node["splitPercentage"] < 100
        return tiles(node["first"]) + tiles(node["second"])

    assert sorted(tiles(layout["layout"])) == sorted(panels)
    assert {name.partition("!")[0] for name in panels} == {"Image", "Plot", "DiagnosticSummary"}
    images = [panel["imageMode"] for name, panel in panels.items() if name.startswith("Image!")]
    topics = [image["imageTopic"] for image in images] + [t for image in images for t in image.get("annotations", ())]
    ours = {f"/segmentation/{name}" for name in OUTPUTS}
    assert set(topics) <= ours | {"/camera/image_raw"}
    assert {"/camera/image_raw", "/segmentation/overlay", "/segmentation/color", "/segmentation/outlines"} == set(
        topics
    )
    statistics = Statistics()
    statistics.published({"infer": 0.1}, 0.1, set(), 0)
    values = {"rate_in": 0.0, "rate_out": 0.0, **statistics.timings()}
    figures = {value.key for value in status("", b"\0", "", values).values}
    paths = [path["value"] for name, panel in panels.items() if name.startswith("Plot!") for path in panel["paths"]]
    for path in paths:
        before, key, after = re.fullmatch(r"(.*)\{key==\"(.*)\"\}(.*)", path).groups()
        assert before == '/diagnostics.status[:]{name=="/segmentation: segmentation"}.values[:]'
        assert (key in figures, after) == (True, ".value")
    assert len(paths) == 6
