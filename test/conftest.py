"""Shared pieces of the tests: small weights on disk, and real nodes on a ROS graph of the test's own."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from seg_ros import runtime
from seg_ros.classes import CAMVID
from seg_ros.manifest import Manifest
from seg_ros.models import create
from test.side_by_side import pytest_cmdline_main, pytest_collection_modifyitems, pytest_runtestloop  # noqa: F401

SMALL = {"classes": 11, "width": 4, "depth": 2, "stem": True}
SMALL_INSTANCE = {
    "things": 3, "depth": 18, "width": 0.125, "channels": 16, "hidden": 32, "norm": True, "anchor": 16, "proposals": 32,
    "detections": 8,
}  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    # As every executable does, and before a test imports PyTorch: threads that spin would slow down their neighbours.
    runtime.prepare()
    config.addinivalue_line("markers", "alone: measures time, so it runs when nothing else does")
    config.addinivalue_line("markers", "compiles: may compile for a minute, so it begins first")


def _untrained(path: Path, architecture: str, arguments: dict) -> Path:
    import torch

    from seg_ros import weights

    torch.manual_seed(0)
    manifest = Manifest(architecture, arguments, CAMVID, (64, 96), licence="test")
    weights.save(path, create(architecture, **arguments).state_dict(), manifest)
    return path


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained U-Net at 64x96, as a weights file."""
    return _untrained(tmp_path_factory.mktemp("weights") / "small.safetensors", "unet", SMALL)


@pytest.fixture(scope="session")
def small_instance_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained Mask R-CNN at 64x96, as a weights file."""
    return _untrained(tmp_path_factory.mktemp("weights") / "small_instance.safetensors", "mask_rcnn", SMALL_INSTANCE)


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of compiled engines that all processes of this test run share, so that each is compiled once."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "engines"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """The folder below /tmp where PyTorch keeps native code, filled by somebody else; the file that this code makes.

    Whoever compiles an engine that others may find in `engine_cache` compiles it here, and checks that it did not run.
    """
    from torch._inductor import codecache, cpp_builder, cpu_vec_isa
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder, ran = Path(default_cache_dir()), tmp_path / "ran"
    monkeypatch.setattr(codecache, "_HEADER_DIR", str(folder / "precompiled_headers"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
    code = f'#include <stdio.h>\n__attribute__((constructor)) static void run() {{ fclose(fopen("{ran}", "w")); }}'
    library = tmp_path / "planted.so"
    subprocess.run(["g++", "-shared", "-fPIC", "-x", "c", "-", "-o", library], input=code, text=True, check=True)
    probed = cpu_vec_isa.VecISA._VecISA__bool__impl  # a process asks once what vectors its processor has
    probed.cache_clear()
    with monkeypatch.context() as others:
        others.setattr(
            cpp_builder.CppBuilder, "build", lambda builder: shutil.copy(library, builder.get_target_file_path())
        )
        assert all([bool(isa) for isa in cpu_vec_isa.valid_vec_isa_list()])
    assert ran.exists()  # what is planted is loaded, if nothing is done about it
    ran.unlink()
    probed.cache_clear()
    return folder, ran


@pytest.fixture
def rtx(monkeypatch: pytest.MonkeyPatch):
    """TensorRT for RTX, taken whatever else is installed. `make test` keeps it beside the environment."""
    monkeypatch.syspath_prepend(Path(sys.prefix, "tensorrt-rtx"))
    module = pytest.importorskip("tensorrt_rtx", reason="needs TensorRT for RTX: requirements/tensorrt-rtx.txt")
    pytest.importorskip("onnxscript", reason="needs onnxscript: requirements/onnx.txt")
    for place in ("plan", "tensorrt"):
        monkeypatch.setattr(f"seg_ros.engines.{place}.installed", lambda: "tensorrt_rtx")
    return module


@pytest.fixture(scope="session")
def ros_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of a ROS graph of this process alone, with an engine cache of its own."""
    return os.environ | {
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_LOG_DIR": str(tmp_path_factory.mktemp("log")),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def ros(ros_env: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """rclpy, initialised on the test graph."""
    rclpy = pytest.importorskip("rclpy", reason="rclpy is not installed")
    for name, value in ros_env.items():
        monkeypatch.setenv(name, value)
    rclpy.init()
    yield rclpy
    rclpy.try_shutdown()
    # Nodes refer to themselves. Left to a later moment their end would meet the next test's graph in this process, and
    # the middleware has been seen to wait for itself then, for ever.
    gc.collect()


class Graph:
    """Nodes of a test on one executor that spins in the background, and what they received.

    Everything is torn down with the test: executor, nodes, context.
    """

    def __init__(self, rclpy):
        from rclpy.executors import SingleThreadedExecutor

        self._executor = SingleThreadedExecutor()
        self._nodes = []
        self.client = self.add(rclpy.create_node("client"))
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def add(self, node):
        self._nodes.append(node)
        self._executor.add_node(node)
        return node

    def collect(self, kind, topic, qos=10):
        """A list that fills with the messages on `topic`."""
        received = []
        self.client.create_subscription(kind, topic, received.append, qos)
        return received

    def publisher(self, kind, topic, reliable=True):
        from rclpy.qos import QoSProfile, ReliabilityPolicy

        reliability = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        return self.client.create_publisher(kind, topic, QoSProfile(depth=1, reliability=reliability))

    def close(self):
        self._executor.shutdown()
        self._thread.join(10)
        for node in self._nodes:
            if hasattr(node, "release"):
                node.release()
            node.destroy_node()

    def _spin(self):
        """Spins, whatever a test destroys on its own thread: rclpy expects it of subscriptions, not of their events."""
        from rclpy.exceptions import InvalidHandle
        from rclpy.executors import ExternalShutdownException

        with contextlib.suppress(ExternalShutdownException):
            while True:
                with contextlib.suppress(InvalidHandle):  # it waits again, for what is left
                    return self._executor.spin()


@pytest.fixture
def graph(ros):
    """A client node on an executor; tests add theirs."""
    graph = Graph(ros)
    yield graph
    graph.close()


def wait_for(condition, seconds=20.0):
    """Waits until `condition()` is true and returns its value; fails the test if it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    pytest.fail(f"not within {seconds} s: {condition}")


@pytest.fixture
def start(graph, small_weights):
    """Starts a segmentation node with small weights on the eager engine; overrides by keyword."""
    from rclpy.parameter import Parameter

    from seg_ros.ros.node import SegmentationNode

    def start(**overrides):
        camera = {} if "input_topics" in overrides else {"input_topic": "/eye/image"}
        values = {"weights": str(small_weights), "engine": "eager"} | camera | overrides
        node = SegmentationNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
        return graph.add(node)

    return start


@pytest.fixture
def serving(start, graph):
    """An active node that has served a frame: `(node, publisher of its camera, list of its labels)`."""
    from sensor_msgs.msg import Image

    from test.nodes import active, picture, send

    node = start()
    active(node)
    camera = graph.publisher(Image, "/eye/image")
    labels = graph.collect(Image, "/segmentation/label")
    send(camera, picture(1), labels)
    return node, camera, labels
