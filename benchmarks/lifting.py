"""Times lifting on one core, and judges it with true labels as input: what is left is the network's.

    python -m benchmarks.lifting

Prints the best of a few rounds, ms, of organised clouds beside the numpy that most write and, where they are there,
Open3D's clouds with the colours of the classes, and a GPU's; of painted LiDAR clouds of growing size, and of boxes. The
rounds of what is compared alternate. Then, of the true labels of ten streets, the share of right points and how near
the boxes are. Exits 1 if the others give other clouds.
"""

from __future__ import annotations

import os

from seg_ros import runtime


def main() -> None:
    """Measures, and prints a line for each kind of work."""
    runtime.prepare()  # before numpy is imported
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before Open3D makes its threads
    from benchmarks.lifting_work import run

    run()


if __name__ == "__main__":
    main()
