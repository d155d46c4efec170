"""Shared pieces of the tests: small weights on disk, and real nodes on a ROS graph of the test's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from seg_ros import weights
from seg_ros.classes import CAMVID
from seg_ros.models import MODELS

SMALL = {"classes": 11, "width": 4, "depth": 2, "stem": True}


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained U-Net at 64x96, as a weights file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    model = MODELS["unet"](**SMALL)
    weights.save(path, model.state_dict(), weights.Manifest("unet", SMALL, CAMVID, (64, 96), licence="test"))
    return path


@pytest.fixture(scope="session")
def ros_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a ROS graph that no other test run on this machine shares, with an engine cache of its own."""
    return os.environ | {
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(tmp_path_factory.mktemp("log")),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def ros(ros_env: dict[str, str], monkeypatch: pytest.MonkeyPatch):  # noqa: ANN201 (the module rclpy)
    """rclpy, initialised on the test graph."""
    rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")
    for name, value in ros_env.items():
        monkeypatch.setenv(name, value)
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()
