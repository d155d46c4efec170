"""The files of config/: every parameter at its default, and what rviz shows."""

import dataclasses
import itertools
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
