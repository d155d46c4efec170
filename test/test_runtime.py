"""What is freed after a frame is there for the next one; products of matrices leave no threads that spin."""

import subprocess
import sys

PROGRAM = """
import resource, sys, torch
from seg_ros.runtime import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def frame():
    return torch.ones(8 * 2**20).sum()  # 32 MiB
for _ in range(30):  # until the heap has found its size
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode):
    return int(subprocess.run([sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True).stdout)


def test_later_frames_fault_no_pages():
    # 20 frames of 8192 pages each; with another allocation in the way a frame may still be put elsewhere.
    assert page_faults("leave") > 20 * 8192 * 0.75
    assert page_faults("keep") < 20 * 8192 * 0.25


def test_products_of_matrices_start_no_threads():
    program = """
import os
from seg_ros.runtime import prepare
prepare()
import numpy as np
large = np.ones((1000, 1000), np.float32)
large @ large
print(len(os.listdir("/proc/self/task")))
"""
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout == "1\n"
