"""The node with a fault in its inference: `python -m test.faults.faulty_node FAULT SECONDS --ros-args ...`.

Frames with a stamp from `TROUBLE` on meet the fault; all others are segmented as ever. So the camera chooses.
"""

from __future__ import annotations

import ctypes
import sys
import time

import torch

from seg_ros.cli import node
from seg_ros.engines.opening import engine_error
from seg_ros.runner import CpuRunner

TROUBLE = 1_000_000
"""Seconds of a stamp."""


def hold(seconds: float) -> None:
    """Sleeps as a native call does that keeps Python's lock."""
    ctypes.PyDLL(None).sleep(int(seconds))


def out_of_memory(_: float) -> None:
    raise engine_error("the engine", torch.OutOfMemoryError("not really"))


def lost(_: float) -> None:
    raise engine_error("the engine", RuntimeError("CUDA error: an illegal memory access, not really"))


def talk(_: float) -> None:
    """Says more than a pipe takes."""
    for output in (sys.stdout, sys.stderr):
        print("x" * 2**18, file=output, flush=True)


FAULTS = {
    "none": lambda _: None,
    "sleep": time.sleep,
    "hold": hold,
    "memory": out_of_memory,
    "lost": lost,
    "talk": talk,
}


def main() -> None:
    fault, seconds = FAULTS[sys.argv[1]], float(sys.argv[2])
    run = CpuRunner.run

    def faulty(self, frames, *arguments):
        if any(frame.stamp[0] >= TROUBLE for frame in frames):
            print("in trouble", file=sys.stderr, flush=True)
            fault(seconds)
        return run(self, frames, *arguments)

    CpuRunner.run = faulty
    node.main(sys.argv[:1] + sys.argv[3:])


if __name__ == "__main__":
    main()
