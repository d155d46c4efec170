"""Measures how much of the rate of its engine `label` reaches, on the same frames.

    python -m benchmarks.label_speed --weights unet_street

Frames of the synthetic street, uncompressed 640x480, are in memory for the engine alone and in bags for `label`: by
one worker with all cores, and by a worker for each core. The three are measured in turns; the best of all rounds
counts. Also measures what `label` itself takes of the processor, beside the network. The last line is JSON.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.label_memory import Instant
from benchmarks.label_scaling import gathered, seconds
from seg_ros.cli.arguments import whole
from seg_ros.engines.threads import set_threads
from seg_ros.offline.inputs import Input
from seg_ros.offline.jobs import make as make_output
from seg_ros.offline.labelling import label
from seg_ros.offline.labels import Segmentation, Wish
from seg_ros.offline.processes import Processes, cores
from seg_ros.offline.work import Job, Labelling
from seg_ros.results import Frame, Wanted
from seg_ros.scenes import Street
from seg_ros.segmenter import Segmenter

SIZE, DISTINCT = (480, 640), 20


def write_bag(path: Path, pictures: list[np.ndarray], frames: int) -> None:
    """Writes a recording of these pictures, again and again."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    from seg_ros.offline.bags import IMAGES, types
    from seg_ros.ros.cdr import write_image

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection("/camera/image_raw", IMAGES[0], typestore=types())
        for i in range(frames):
            bag.write(topic, i, write_image((0, i), "camera", pictures[i % len(pictures)], "rgb8"))


def main() -> None:
    """Measures, and prints the rates of each round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="unet_street", help="(default: %(default)s)")
    parser.add_argument("--engine", default="auto", help="(default: %(default)s)")
    parser.add_argument("--device", default="auto", help="(default: %(default)s)")
    parser.add_argument("--frames", type=whole(1), default=300, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=whole(1), default=3, help="(default: %(default)s)")
    args = parser.parse_args()

    street = Street(20000, SIZE)
    pictures = [street.scene(i, 30.0).image for i in range(DISTINCT)]
    set_threads(0)
    net = Segmenter.open(args.weights, engine=args.engine, device=args.device)
    labelling = Labelling(args.weights, args.engine, "auto", args.device, Wish(), 0.5, {}, force=True)

    def alone() -> float:
        start = time.perf_counter()
        for i in range(args.frames):
            net(Frame(pictures[i % DISTINCT]), Wanted(confidence=False))
        return args.frames / (time.perf_counter() - start)

    def labelled(source: Path, workers: int) -> float:
        with tempfile.TemporaryDirectory(dir=source) as folder:
            inputs = [Input(source / f"{workers}" / f"b{i}", Path(f"b{i}"), True) for i in range(2 * workers)]
            # The first job of each worker waits for the others, and does nothing.
            jobs = [Job(each, Path(folder)) for each in [*inputs[:workers], *inputs[workers:]]]
            opening = functools.partial(gathered, labelling.open, workers)
            return args.frames / seconds(Processes(workers, opening, []), jobs)

    def own(each: Input, target: Path) -> float:
        """Returns the milliseconds of processor time for a frame that a network labels in no time."""
        start = time.process_time()
        make = functools.partial(label, segmentation=Segmentation(Instant()), wish=Wish(), step=lambda: None)
        tally = make_output(each, target, {}, make)
        return 1e3 * (time.process_time() - start) / tally.frames

    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for workers in {1, cores()}:
            for i in range(2 * workers):
                path = Path(folder) / f"{workers}" / f"b{i}"
                path.parent.mkdir(exist_ok=True)
                write_bag(path, pictures, args.frames // workers if i >= workers else 1)
        most = Input(Path(folder) / "1" / "b1", Path("own"), True)
        own_ms = min(own(most, Path(folder)) for _ in range(args.rounds))
        print(f"{own_ms:.2f} ms of processor a frame beside the network", flush=True)
        alone()  # to be warm
        for _ in range(args.rounds):
            rates.setdefault("engine", []).append(alone())
            for workers in sorted({1, cores()}):
                rates.setdefault(f"label_{workers}", []).append(labelled(Path(folder), workers))
            print(", ".join(f"{name} {found[-1]:.1f}" for name, found in rates.items()), "frames/s", flush=True)
    best = {name: max(found) for name, found in rates.items()}
    figures = {"own_ms": round(own_ms, 2)} | {name: round(rate, 1) for name, rate in best.items()}
    shares = {f"{name}_share": round(rate / best["engine"], 3) for name, rate in best.items() if name != "engine"}
    print(json.dumps(figures | shares))


if __name__ == "__main__":
    main()
