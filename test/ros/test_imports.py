"""What starts without PyTorch, and so at once: all of seg_ros.ros but node and worker, and what stands around them."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

PACKAGE = Path(__file__).resolve().parents[2] / "seg_ros"
WITH_TORCH = {"node", "worker"}
WITHOUT_VISER = set() if find_spec("viser") else {"view", "view_stream"}


def test_no_torch_but_in_node_and_worker():
    ros = sorted({file.stem for file in (PACKAGE / "ros").glob("*.py")} - WITH_TORCH - WITHOUT_VISER - {"__init__"})
    commands = [f"cli.{name}" for name in ["camera", "probe", "demo", "node", "view", "consumers"]]
    others = [*commands, *["sources", "scenes", "overlay", "manifest", "fast_dds", "consumers"]]
    metrics = [f"metrics.{file.stem}" for file in (PACKAGE / "metrics").glob("[a-z]*.py")]
    modules = [f"seg_ros.{name}" for name in [*(f"ros.{each}" for each in ros), *others, *metrics]]
    program = """
import importlib, sys
sys.modules["torch"] = None
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""
    said = subprocess.run([sys.executable, "-c", program, *modules], capture_output=True, text=True, check=True)
    assert said.stdout == ""


@pytest.mark.parametrize("name", ["camera", "probe", "demo", "node", "view"])
def test_an_executable_loads_nothing_heavy_before_it_knows_what_to_do(name):
    program = f"import sys, seg_ros.cli.{name}; print(*{{'cv2', 'numpy', 'rclpy', 'torch'}} & sys.modules.keys())"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.split() == []


def test_recordings_need_no_ros():
    program = """
import sys
for name in ("rclpy", "sensor_msgs", "std_msgs", "seg_ros_msgs"):
    sys.modules[name] = None
import seg_ros.cli.label, seg_ros.offline.jobs, seg_ros.offline.labels, seg_ros.offline.recordings
"""
    subprocess.run([sys.executable, "-c", program], check=True)
