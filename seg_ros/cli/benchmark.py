"""Times networks on engines, beside plain PyTorch in the same process.

    python -m seg_ros.cli.benchmark --weights unet_street unet_camvid fcn_camvid
    python -m seg_ros.cli.benchmark --model unet --arguments classes=11 width=32 --size 544 960 --precision fp32 bf16

Times the whole graph, pixels to labels or objects; on a GPU with upload and download. The runs take turns, so that what
else the machine does hits all of them. Table on stdout; the last line is JSON, a list of rows. vs_eager is plain
PyTorch's p50 / this p50; peak_mb the largest size of a process that loads and runs it, on a GPU the memory allocated
there. Two columns need the `benchmarks` package, which a source tree has and an installation has not; else they are
null. roof_share is the least time that the machine's measured peaks allow (the larger of multiplications and memory
traffic), as a share of p50; vs_torchvision is torchvision's p50 / this p50, where it has the network.
"""

from __future__ import annotations

import argparse
import json
import sys

from seg_ros.cli.arguments import positive, whole
from seg_ros.cli.command import command
from seg_ros.engines import ENGINES, PRECISIONS


@command
def main(arguments: list[str] | None = None) -> None:
    from seg_ros.cli import latency
    from seg_ros.cli.common import add_subjects, markdown_table, subjects
    from seg_ros.engines.threads import set_threads

    parser = argparse.ArgumentParser(
        prog="benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_subjects(parser)
    add = parser.add_argument
    add("--engine", nargs="+", choices=tuple(ENGINES), default=list(ENGINES), help="default: all that work here")
    add("--precision", nargs="+", choices=PRECISIONS, help="default: those that the device is made for")
    add("--batch", nargs="+", type=whole(1), default=[1], help="pictures at a time")
    add("--seconds", type=positive, default=3.0, help="of measuring each row")
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--ros" in arguments:
        parser.error("--ros: the way through ROS is timed in a source tree, by `python -m benchmarks.round_trip`")
    args = parser.parse_args(arguments)
    set_threads(args.threads)
    rows, _ = latency.table(
        subjects(args), args.engine, args.precision, args.batch, args.size, args.device, args.seconds
    )
    print(markdown_table(rows, latency.COLUMNS))
    print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    main()
