"""Checks everything that needs an NVIDIA GPU: `benchmarks.gpu`, from any folder, without make and without ROS."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

if __name__ == "__main__":
    from seg_ros import runtime

    runtime.prepare()  # before PyTorch is imported
    from benchmarks.gpu import main

    main()
