"""seg_ros: camera images in; label images and instance masks out, at camera size, in real time."""

import os

__version__ = "0.1.0"

# Threads that wait for their part of a network sleep. With the default of PyTorch's OpenMP they spin, and beside other
# work frames take several times as long. It is read when torch is imported, so it is said before.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
