"""Times round trips of camera images through the node, over a real ROS graph between processes, without a network.

    python -m benchmarks.round_trip
    python -m benchmarks.round_trip --sizes 1080 --cameras 1
    python -m benchmarks.round_trip --write    # the table of docs/benchmarks.md

A camera process publishes rgb8 images, best effort and depth 1; a middle process answers each with a label image of the
same size; a probe takes the time from the camera's stamp to the answer's arrival. The middles are

    typed   a node as most people write it: message objects, numpy, array.array
    raw     the floor: bytes in, prepared bytes out, only the stamp is copied
    node    the segmentation node on an engine that does nothing: what ROS, resizing and scheduling cost

They take turns, in --rounds that each begin with another one, so that what else the machine does hits all of them;
their round trips are pooled.

Table on stdout; the last line is JSON, a list of the node's rows. hz is what each camera published; loss the share of
its images that had no answer; cpu_ms_per_frame the CPU time of the middle process for each answer; peak_mb its largest
size. vs_typed is typed's p50 / the node's p50 (above 1 the node is faster), vs_raw the node's p50 / raw's p50 (1 is the
floor). An empty cell has no figure. Without --rate a camera runs at 30 Hz, or at so much less that all cameras
together send no more pixels than one of (1080, 1920) at 30 Hz.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.page import DOCS, machine, write_section
from benchmarks.processes import cpu_seconds
from benchmarks.round_trip_roles import Run
from seg_ros.cli.command import one_line_errors
from seg_ros.cli.common import markdown_table, peak_megabytes
from seg_ros.errors import EngineError
from seg_ros.fast_dds import environment

COLUMNS = ("middle", "height", "width", "cameras", "hz", "p50_ms", "p99_ms", "loss", "cpu_ms_per_frame", "peak_mb",
           "vs_typed", "vs_raw")  # fmt: skip
MIDDLES = ("typed", "raw", "node")
WIDTHS = {480: 640, 1080: 1920, 2160: 3840}
"""Of images by their height, pixels."""

_PIXELS_A_SECOND = 1920 * 1080 * 30
_KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
"""For camera, probe and floor: else they take a fresh page for every 4 KB of an image, and that time is in every round
trip. The node sees to it by itself; typed is as most people run it."""
_START_LIMIT = 60.0
"""Seconds within which every camera must be answered."""
_MARGIN = 1.0
"""Seconds before the window, to warm up, and after it, for answers on their way."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """The figures of one run in its window, which goes by the stamps of the images.

    Attributes:
        seconds: length of the window.
        published: images with a stamp in the window.
        ages: milliseconds from stamp to arrival of those that were answered.
        cpu: seconds that the middle process computed in the window.
        peak: megabytes of the middle process at its largest.
    """

    seconds: float
    published: int
    ages: list[float]
    cpu: float = 0.0
    peak: float = 0.0

    @classmethod
    def of(cls, window: tuple[int, int], published: list, arrived: list, cpu: float = 0.0, peak: float = 0.0) -> Sample:
        """Sums up all `(camera, stamp)` and all `(camera, stamp, arrival)`, in ns; `window` is `[begin, end)` in ns."""
        begin, end = window
        counted = {(camera, stamp) for camera, stamp in published if begin <= stamp < end}
        ages = {(camera, stamp): 1e-6 * (arrival - stamp) for camera, stamp, arrival in arrived}
        return cls(1e-9 * (end - begin), len(counted), [ages[key] for key in counted & ages.keys()], cpu, peak)


def rows(run: Run, samples: dict[str, list[Sample]]) -> list[dict]:
    """Makes a row of the table for each middle, its samples pooled."""
    table = []
    for middle, of in samples.items():
        ages = [age for sample in of for age in sample.ages]
        published = sum(sample.published for sample in of)
        seconds = sum(sample.seconds for sample in of)
        p50, p99 = np.percentile(ages, (50, 99)).round(2).tolist() if ages else (None, None)
        table.append({
            "middle": middle, "height": run.height, "width": run.width, "cameras": run.cameras,
            "hz": round(published / seconds / run.cameras, 1), "p50_ms": p50, "p99_ms": p99,
            "loss": round(1.0 - len(ages) / published, 4) if published else None,
            "cpu_ms_per_frame": round(1e3 * sum(sample.cpu for sample in of) / len(ages), 2) if ages else None,
            "peak_mb": round(max(sample.peak for sample in of)), "vs_typed": None, "vs_raw": None,
        })  # fmt: skip
    p50 = {row["middle"]: row["p50_ms"] for row in table}
    if all(p50.get(middle) for middle in MIDDLES):
        ratios = {"vs_typed": round(p50["typed"] / p50["node"], 2), "vs_raw": round(p50["node"] / p50["raw"], 2)}
        table = [row | ratios if row["middle"] == "node" else row for row in table]
    return table


def measure(middle: str, run: Run, seconds: float) -> Sample:
    """Runs camera, middle and probe for `seconds`, once every camera is answered.

    Raises:
        EngineError: if a process ends by itself, or a camera is not answered.
    """
    with _started(middle, run) as answering, _started("probe", run) as probe, _started("camera", run) as camera:
        _wait_until_answered(middle, probe, (answering, probe, camera))
        time.sleep(_MARGIN)
        begin, cpu = time.time_ns(), cpu_seconds(answering.pid)
        time.sleep(seconds)
        end, cpu = time.time_ns(), cpu_seconds(answering.pid) - cpu
        time.sleep(_MARGIN)
        return Sample.of((begin, end), _report(camera), _report(probe), cpu, peak_megabytes(answering.pid))


@contextlib.contextmanager
def _started(role: str, run: Run) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "benchmarks.round_trip_roles", role, json.dumps(dataclasses.asdict(run))]
    local = {"ROS_DOMAIN_ID": str(1 + os.getpid() % 100), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    settings = local | environment() | ({} if role in ("typed", "node") else _KEEP_FREED_MEMORY)
    # In a session of its own, so that Ctrl-C is ours alone; the end of its stdin ends it.
    process = subprocess.Popen(
        command, env=settings, text=True, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        try:
            yield process
        finally:
            if not process.stdin.closed:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_answered(middle: str, probe: subprocess.Popen, processes: Sequence[subprocess.Popen]) -> None:
    limit = time.monotonic() + _START_LIMIT
    while not select.select([probe.stdout], [], [], 0.2)[0]:
        for process in processes:
            if process.poll() is not None:
                raise EngineError(f"the process {process.args[3]} ended with status {process.returncode}: see above")
        if time.monotonic() > limit:
            raise EngineError(f"{middle}: not every camera was answered within {_START_LIMIT:.0f} s")
    probe.stdout.readline()


def _report(process: subprocess.Popen) -> list:
    """Reads what a process says when it ends."""
    return json.loads(process.communicate(timeout=30)[0].splitlines()[-1])


def _rate(height: int, cameras: int) -> float:
    return min(30.0, _PIXELS_A_SECOND / (cameras * height * WIDTHS[height]))


def section(table: list[dict], where: str) -> str:
    """Writes the page's words and table, a row for each size and number of cameras; `where`: the text of `machine`."""
    found = []
    for _, cell in itertools.groupby(table, lambda row: (row["height"], row["width"], row["cameras"])):
        typed, raw, node = cell
        found.append({
            "image (H, W)": f"({node['height']}, {node['width']})",
            "cameras": f"{node['cameras']} at {node['hz']} Hz",
            "typed node p50": _ms(typed["p50_ms"]), "floor p50": _ms(raw["p50_ms"]),
            "**seg_ros** p50": _ms(node["p50_ms"]), "p99": _ms(node["p99_ms"]),
            "lost": None if node["loss"] is None else f"{100 * node['loss']:.1f} %",
            "CPU a frame": _ms(node["cpu_ms_per_frame"]), "x typed": node["vs_typed"], "of the floor": node["vs_raw"],
        })  # fmt: skip
    return f"{where}\n\n{markdown_table(found, list(found[0]))}"


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} ms"


@one_line_errors
def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", choices=WIDTHS, default=list(WIDTHS), help="heights of the images, pixels")
    add("--cameras", type=int, nargs="+", default=[1, 4], help="how many, each at its rate")
    add("--rate", type=float, help="of each camera, Hz (default: see above)")
    add("--seconds", type=float, default=4.0, help="of measuring each middle in each round")
    add("--rounds", type=int, default=4, help="in which the middles take turns")
    add("--write", action="store_true", help="also into docs/benchmarks.md")
    add("--docs", type=Path, default=DOCS, help="folder of benchmarks.md (default: this tree's)")
    args = parser.parse_args(arguments)
    table, runs = [], itertools.count()
    for height in args.sizes:
        for cameras in args.cameras:
            hz = args.rate or _rate(height, cameras)
            samples = {middle: [] for middle in MIDDLES}
            for turn in range(args.rounds):
                first = turn % len(MIDDLES)
                for middle in MIDDLES[first:] + MIDDLES[:first]:
                    # Topics of its own, so that none is taken for those of the run before.
                    run = Run(f"/seg_ros_round_trip_{os.getpid()}_{next(runs)}", cameras, height, WIDTHS[height], hz)
                    samples[middle].append(measure(middle, run, args.seconds))
            table += rows(run, samples)
            print(f"measured {cameras} of ({height}, {run.width}) at {hz:.1f} Hz", file=sys.stderr, flush=True)
    print(markdown_table(table, COLUMNS))
    if args.write:
        where = machine("ros-rclpy", "ros-fastdds", "numpy", "opencv-python-headless")
        write_section(args.docs, "round trip", section(table, where))
    of_node = [row for row in table if row["middle"] == "node"]
    print(json.dumps([{k: v for k, v in row.items() if k != "middle"} for row in of_node]), flush=True)


if __name__ == "__main__":
    main()
