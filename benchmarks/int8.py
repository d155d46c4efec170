"""Times the engine openvino in float32 and INT8, in turns, beside the scores that the weights record.

    python -m benchmarks.int8                    # the shipped networks
    python -m benchmarks.int8 --rounds 10 --write    # the table of docs/benchmarks.md

One frame of the synthetic street at a time, at the size of the manifest. p50 and best are over all rounds. `faster` is
the ratio of the least processor time of a frame, which other processes disturb the least. The first score by name
that `quantize` recorded is shown. The last line is JSON, a list of rows.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from benchmarks.page import DOCS, machine, write_section
from seg_ros.cli.command import command
from seg_ros.manifest import INT8

SHIPPED = ("unet_street", "unet_camvid", "fcn_camvid", "mask_rcnn_street")
PRECISIONS = ("fp32", "int8")
COLUMNS = ("network", "score", "fp32", "int8", "fp32 p50 ms", "int8 p50 ms", "fp32 best ms", "int8 best ms", "faster")


def compare(name: str, rounds: int, frames: int) -> dict:
    """Measures one network; returns its row."""
    from seg_ros.agreement import street_pictures
    from seg_ros.cli.common import Subject
    from seg_ros.engines.opening import open_engine
    from seg_ros.manifest import read_manifest

    subject, manifest = Subject.shipped(name), read_manifest(name)
    shape = (1, *subject.size)
    engines = {p: open_engine("openvino", subject.graph, shape, subject.digest, None, p, "cpu") for p in PRECISIONS}
    pixels, times, busy = street_pictures(shape), {p: [] for p in PRECISIONS}, {p: [] for p in PRECISIONS}
    for _ in range(rounds):
        for precision, engine in engines.items():
            engine.run(pixels)
            for _ in range(frames):
                start, busy_before = time.perf_counter(), time.process_time()
                engine.run(pixels)
                times[precision].append(1e3 * (time.perf_counter() - start))
                busy[precision].append(time.process_time() - busy_before)
    score = next(key.removesuffix(INT8) for key in manifest.score if key.endswith(INT8))
    row = {"network": f"`{name}`", "score": score.replace("_", " ")}
    for precision, suffix in zip(PRECISIONS, ("", INT8), strict=True):
        row[precision] = f"{100 * manifest.score[score + suffix]:.2f}"
        row[f"{precision} p50 ms"] = round(float(np.median(times[precision])), 1)
        row[f"{precision} best ms"] = round(min(times[precision]), 1)
    return row | {"faster": round(min(busy["fp32"]) / min(busy["int8"]), 2)}


@command
def main(arguments: list[str] | None = None) -> None:
    from seg_ros.cli.common import markdown_table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--weights", nargs="+", default=SHIPPED, help="files with ranges, or bare names of shipped weights")
    add("--rounds", type=int, default=6)
    add("--frames", type=int, default=20, help="of each precision in each round")
    add("--write", action="store_true", help="also into docs/benchmarks.md")
    args = parser.parse_args(arguments)
    rows = [compare(name, args.rounds, args.frames) for name in args.weights]
    table = markdown_table(rows, COLUMNS)
    print(table)
    if args.write:
        write_section(DOCS, "int8", f"{machine('torch', 'openvino')}\n\n{table}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
