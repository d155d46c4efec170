"""Measures how much memory `label` takes of a recording that is far larger than it.

    python -m benchmarks.label_memory --gb 20

A bag of some images of 1920x1080 is read again and again, as if it were that long, and labelled by a network that takes
no time, so that only what waits between reading and writing takes memory. Prints the resident memory every two seconds;
the last line is JSON. The labels take a third of the size on the disk, and are removed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.label_scaling import Sleeper, write_bag
from seg_ros.offline import bags
from seg_ros.offline.inputs import Input
from seg_ros.offline.labelling import label
from seg_ros.offline.labels import Segmentation, Wish
from seg_ros.results import Frame, SemanticMap, Wanted

SIZE, FRAMES = (1080, 1920), 20


class Instant(Sleeper):
    """Stands in for a `Segmenter` that takes no time."""

    def __call__(self, frame: Frame, wanted: Wanted) -> SemanticMap:
        return SemanticMap(np.zeros((frame.height, frame.width), np.uint8))


def resident() -> float:
    """Returns the memory of this process that is in use, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def main() -> None:
    """Labels, and prints the memory meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=20.0, help="size of the recording (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="that has a third of it free (default: that of temporary files)")
    args = parser.parse_args()
    once = bags.Bag.messages
    rounds = max(1, round(args.gb * 1e9 / (FRAMES * SIZE[0] * SIZE[1] * 3)))

    def again(bag: bags.Bag, *arguments: object) -> Iterator[bags.Message]:
        for i in range(rounds):
            for message in once(bag, *arguments):
                yield message._replace(time=message.time + i * 10**9)

    done, over, seen = 0, threading.Event(), []

    def step() -> None:
        nonlocal done
        done += 1

    def watch() -> None:
        start = time.monotonic()
        while not over.wait(2.0):
            seen.append(resident())
            print(f"{time.monotonic() - start:6.0f} s {done:7} frames {seen[-1]:7.0f} MB", flush=True)

    with tempfile.TemporaryDirectory(dir=args.folder) as folder, mock.patch.object(bags.Bag, "messages", again):
        each = Input(Path(folder) / "drive", Path("drive"), True)
        write_bag(each.path, FRAMES, SIZE)
        before = resident()
        thread = threading.Thread(target=watch)
        thread.start()
        try:
            label(each, Path(folder) / "labelled", Segmentation(Instant()), Wish(copy=False), step)
        finally:
            over.set()
            thread.join()
    gigabytes = done * SIZE[0] * SIZE[1] * 3 / 1e9
    figures = {"gb": round(gigabytes, 2), "frames": done, "mb_before": round(before), "mb_most": round(max(seen))}
    print(json.dumps(figures | {"mb_last": round(seen[-1])}))


if __name__ == "__main__":
    main()
