"""Times lifting on one core, and judges it with true labels as input: what is left is the network's.

    python -m benchmarks.lifting

Prints the best of a few rounds, ms, of organised clouds beside the numpy that most write, of a painted LiDAR cloud, and
of boxes; the rounds of ours and of plain numpy alternate. Then, of the true labels of ten streets, the share of right
points and how near the boxes are. Exits 1 if plain numpy gives other clouds.
"""

from __future__ import annotations

from seg_ros import runtime


def main() -> None:
    """Measures, and prints a line for each kind of work."""
    runtime.prepare()  # before numpy is imported
    from benchmarks.lifting_work import run

    run()


if __name__ == "__main__":
    main()
