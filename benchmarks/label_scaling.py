"""Measures what `label --workers` costs beside the work itself: how it scales, and what giving out an input takes.

    python -m benchmarks.label_scaling
    python -m benchmarks.label_scaling --ray auto

Bags are labelled by a network that sleeps, so that reading, writing and the workers are all that takes the processor;
prints the rate with 1, 2 and 4 workers as a share of as many times that of one. Then gives out 10,000 inputs that need
no work, and prints the milliseconds of each. The last line is JSON.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seg_ros.classes import CAMVID
from seg_ros.models import SEMANTIC
from seg_ros.offline.crew import Crew, spread
from seg_ros.offline.inputs import Input
from seg_ros.offline.jobs import make
from seg_ros.offline.labelling import label
from seg_ros.offline.labels import Segmentation, Wish
from seg_ros.offline.processes import Processes
from seg_ros.offline.progress import Bar
from seg_ros.offline.work import Job, Outcome, Work
from seg_ros.results import Frame, SemanticMap, Wanted

BAGS, FRAMES, SIZE = 24, 100, (48, 64)
ASLEEP = 0.02
"""Seconds of a frame: of a network on a small GPU or a large CPU."""
EMPTY = 10_000


class Sleeper:
    """Stands in for a `Segmenter`."""

    classes, task, least_score = CAMVID, SEMANTIC, 0.0

    def __call__(self, frame: Frame, wanted: Wanted) -> SemanticMap:
        time.sleep(ASLEEP)
        return SemanticMap(np.zeros((frame.height, frame.width), np.uint8))


def gathered(opening: Callable[[int], Work], together: int, threads: int) -> Work:
    """Returns the work that `opening` makes, but the first job of each only waits until `together` are there."""
    begun, inner = False, opening(threads)

    def work(job: Job, step: Callable[[], None]) -> Outcome:
        nonlocal begun
        if begun:
            return inner(job, step)
        begun = True
        job.output.mkdir(exist_ok=True)
        (job.output / f".{job.input.name}.here").touch()
        while len(list(job.output.glob(".*.here"))) < together:
            time.sleep(0.01)
        return Outcome(job)

    return work


def sleeping(threads: int) -> Work:
    """Returns work by a network that sleeps."""
    segmentation = Segmentation(Sleeper())

    def work(job: Job, step: Callable[[], None]) -> Outcome:
        made = functools.partial(label, segmentation=segmentation, wish=Wish(), step=step)
        return Outcome(job, tally=make(job.input, job.output, {}, made))

    return work


def idle(threads: int) -> Work:
    """Returns work that does nothing."""
    return lambda job, step: Outcome(job)


def seconds(crew: Crew, jobs: list[Job]) -> float:
    """Returns how long the jobs take after the first one of each worker."""
    outcomes = spread(jobs, crew, Bar(quiet=True))
    for _ in range(crew.size):
        next(outcomes)
    start = time.perf_counter()
    if failed := [each.error for each in outcomes if each.error]:
        raise RuntimeError(f"{len(failed)} inputs failed: {failed[0]}")
    return time.perf_counter() - start


def write_bag(path: Path, frames: int = FRAMES, size: tuple[int, int] = SIZE) -> None:
    """Writes a recording of a camera that sees nothing."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from seg_ros.offline.bags import IMAGES, types
    from seg_ros.ros.cdr import write_image

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection("/camera/image_raw", IMAGES[0], typestore=types())
        for i in range(frames):
            bag.write(topic, i, write_image((0, i), "camera", np.zeros((*size, 3), np.uint8), "bgr8"))


def main() -> None:
    """Measures, and prints a line for each number of workers, and one of the inputs that need no work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ray", default="", metavar="ADDRESS|auto", help="of a Ray cluster (default: processes)")
    args = parser.parse_args()

    def crew(size: int, opening: Callable[[int], Work]) -> Crew:
        if not args.ray:
            return Processes(size, opening, [])
        from seg_ros.offline.actors import Actors

        return Actors(args.ray, size, size, opening, "cpu")

    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "bags"
        source.mkdir()
        inputs = [Input(source / f"b{i}", Path(f"b{i}"), True) for i in range(BAGS + 4)]
        for each in inputs:
            write_bag(each.path)
        for size in (1, 2, 4):
            jobs = [Job(each, Path(folder) / f"by{size}") for each in inputs[: BAGS + size]]
            rate = BAGS * FRAMES / seconds(crew(size, functools.partial(gathered, sleeping, size)), jobs)
            figures[f"fps_{size}"] = round(rate, 1)
            figures[f"share_{size}"] = round(rate / size / figures["fps_1"], 3)
            print(f"{size} workers: {rate:.1f} frames/s, {figures[f'share_{size}']:.1%} of {size} times one")
        jobs = [Job(inputs[0], Path(folder))] * EMPTY
        figures["ms_an_input"] = round(1e3 * seconds(crew(2, idle), jobs) / EMPTY, 3)
        print(f"{EMPTY} inputs: {figures['ms_an_input']} ms each")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
