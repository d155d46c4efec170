"""Nodes with faults as processes: start, feed, measure, end, start again."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rclpy.node import Node
from sensor_msgs.msg import Image

from test.conftest import wait_for
from test.faults.faulty_node import TROUBLE
from test.nodes import picture

SOAK = bool(os.environ.get("SEG_ROS_SOAK"))
"""The long forms of the tests: `make soak`."""
LONG = pytest.mark.skipif(not SOAK, reason="takes long: make soak")
"""What a shorter test covers, but for what lies between the parts and the whole."""

_ROOT = Path(__file__).parents[2]
_SHM = Path("/dev/shm")
_QUIET = 5.0
"""Seconds that a start takes on two quiet cores."""


class NodeProcess:
    """A node with a fault, on small weights and the eager engine unless `parameters` say otherwise.

    Attributes:
        load: how many times slower than on a quiet machine it started; at least 1. Set by `Eye.opens`.
        segments: what it holds in Fast DDS's shared memory. Set by `Eye.opens`, too: afterwards it may be dead.
    """

    def __init__(
        self, env: dict[str, str], log: Path, fault: str, seconds: float, parameters: dict, unread: bool = False
    ) -> None:
        settings = [word for key, value in parameters.items() for word in ("-p", f"{key}:={_yaml(value)}")]
        self._command = [sys.executable, "-m", "test.faults.faulty_node", fault, str(seconds), "--ros-args", *settings]
        self._env, self._log, self._unread = env, log, unread
        self.load, self.segments = 1.0, []
        self.start()

    def start(self) -> None:
        self.began = time.monotonic()
        with self._log.open("a") as log:
            output = subprocess.PIPE if self._unread else log
            self._process = subprocess.Popen(self._command, env=self._env, cwd=_ROOT, stdout=output, stderr=output)
        self.pid = self._process.pid

    def respawn(self) -> None:
        """Waits for the end, then starts it again 1 s later, as launch's respawn does."""
        self.wait()
        time.sleep(1.0)
        self.start()

    @property
    def log(self) -> str:
        """All that it said, in all its lives."""
        return self._log.read_text(errors="replace")

    def waits_to_be_read(self) -> tuple[bytes, bytes]:
        """What it said on stdout and stderr that nobody has read, once it is dead."""
        return self._process.communicate(timeout=30)

    @property
    def troubles(self) -> int:
        """Frames that met the fault, in all its lives."""
        return self.log.count("in trouble")

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit status; negative: the signal that ended it."""
        return self._process.wait(seconds)

    def kill(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def note_segments(self) -> None:
        """Remembers its shared memory, by the locks that it holds open."""
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                name = os.readlink(f"/proc/{self.pid}/fd/{number}")
                if re.fullmatch(rf"{_SHM}/fastdds_[0-9a-f]{{16}}_el", name):
                    self.segments.append(Path(name.removesuffix("_el")))

    def left(self) -> int:
        """Bytes of its former shared memory that are still taken, once it is dead."""
        size = 0
        for path in self.segments:
            with contextlib.suppress(FileNotFoundError):
                size += 512 * path.stat().st_blocks
        return size

    def end(self) -> None:
        """Ends it, gently if that works, and removes what it left in shared memory."""
        if self.lives:
            self.kill(signal.SIGINT)  # a killed node stays in the graph for seconds
            try:
                self.wait(5)
            except subprocess.TimeoutExpired:
                self.kill(signal.SIGKILL)
                self.wait()
        for path in self.segments:
            path.unlink(missing_ok=True)
            path.with_name(path.name + "_el").unlink(missing_ok=True)


class Eye:
    """A camera for the node of the test, and the labels that come back."""

    def __init__(self, graph) -> None:
        self.client: Node = graph.client
        self._camera = graph.publisher(Image, "/eye/image")
        self._labels = graph.collect(Image, "/segmentation/label")
        self._stamp = 0

    def send(self, trouble: bool = False) -> int:
        """Publishes one frame, which meets the node's fault or not; returns its stamp (s), which no other had."""
        self._stamp += 1
        stamp = self._stamp + TROUBLE * trouble
        self._camera.publish(picture(stamp))
        return stamp

    def opens(self, node: NodeProcess) -> float:
        """Sends good frames until the node, just started, answers one of them. Returns the seconds since its start."""
        self.answered(120)
        seconds = time.monotonic() - node.began
        node.load = max(1.0, seconds / _QUIET)
        node.note_segments()
        return seconds

    def troubles(self, node: NodeProcess) -> None:
        """Returns once a frame that meets the fault is in work."""
        before, due = node.troubles, 0.0

        def met():
            nonlocal due
            if time.monotonic() > due:  # a frame may get lost
                self.send(trouble=True)
                due = time.monotonic() + 5.0
            return node.troubles > before

        wait_for(met, 60)

    def answered(self, seconds: float = 20.0, trouble: bool = False) -> None:
        """Sends frames, good ones or such that meet the fault, until one of them comes back as a label."""
        first = self.send(trouble)

        def answer():
            stamps = [label.header.stamp.sec for label in self._labels]
            if any(stamp >= first and (stamp >= TROUBLE) == trouble for stamp in stamps):
                return True
            time.sleep(0.1)
            self.send(trouble)
            return False

        wait_for(answer, seconds)
        del self._labels[:-1]


def memory(pid: int) -> float:
    """Resident memory of a process's own in MB: without Fast DDS's segments, which come and go with its peers."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
