"""Estimates what labelling recordings takes and costs, from a rate that you have measured and the price of a machine.

    python -m benchmarks.label_cost --fps 41 --frame-bytes 921600 --price 0.10 --workers 100

Take `--fps` from the last line of a trial run of `label` with one worker, `--frame-bytes` from the size of a bag and
its number of images, and `--price` from your provider. Prints a table from a gigabyte to a petabyte: worker hours grow
with the frames, days shrink with the workers, and the money does not depend on how many there are.
"""

from __future__ import annotations

import argparse

from seg_ros.cli.arguments import positive, whole
from seg_ros.cli.common import markdown_table

SIZES = {"1 GB": 1e9, "1 TB": 1e12, "100 TB": 1e14, "1 PB": 1e15}
KEPT = 0.9
"""Share of as many times one worker's rate that many have: what the benchmark `label_scaling` asks for."""


def estimate(fps: float, frame_bytes: float, price: float, workers: int) -> list[dict]:
    """Returns a row for each size: frames, worker hours, days with all workers, dollars.

    Args:
        fps: frames a second of one worker.
        frame_bytes: of an image in the recordings, with all that is recorded beside it.
        price: of a worker's share of a machine, dollars an hour.
    """
    rows = []
    for name, size in SIZES.items():
        frames = size / frame_bytes
        hours = frames / fps / 3600 / KEPT
        rows.append(
            {
                "recordings": name,
                "frames": f"{frames:,.0f}",
                "worker hours": f"{hours:,.1f}",
                "days": f"{hours / workers / 24:,.2f}",
                "dollars": f"{hours * price:,.2f}",
            }
        )
    return rows


def main() -> None:
    """Prints the table, frames for a dollar, and what the storage has to bear."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--fps", type=positive, required=True, help="frames a second of one worker")
    add("--frame-bytes", type=positive, required=True, help="of an image, with what is recorded beside it")
    add("--price", type=positive, required=True, help="of one worker, dollars an hour")
    add("--workers", type=whole(1), default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    rows = estimate(args.fps, args.frame_bytes, args.price, args.workers)
    print(markdown_table(rows, list(rows[0])))
    print(f"\n{3600 * KEPT * args.fps / args.price:,.0f} frames for a dollar")
    once = args.fps * KEPT * args.workers * args.frame_bytes / 1e9
    print(f"the storage gives {2 * once:,.2f} GB/s, each input is read twice; and takes {once:,.2f} GB/s of copies")


if __name__ == "__main__":
    main()
