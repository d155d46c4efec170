"""The launch file, as a module, with this checkout as its package."""

import importlib.util
import logging
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "launch/segment.launch.py"


@pytest.fixture
def prefix(tmp_path, monkeypatch):
    """An ament prefix that has seg_ros as this checkout, whether or not a workspace is sourced."""
    for folder in ("lib/seg_ros", "share/ament_index/resource_index/packages"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/seg_ros").touch()
    (tmp_path / "share/seg_ros").symlink_to(ROOT)
    for name in ("node", "camera", "lift"):
        executable = tmp_path / "lib/seg_ros" / name
        executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seg_ros.cli.{name} "$@"\n')
        executable.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return tmp_path


@pytest.fixture
def segment(prefix):
    """The launch file as a module."""
    usual = logging.getLoggerClass()
    pytest.importorskip("launch_ros", reason="launch_ros is not installed")
    spec = importlib.util.spec_from_file_location("segment_launch", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    logging.setLoggerClass(usual)  # launch's own keeps what a logger is told from those above it, also in later tests
