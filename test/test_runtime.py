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
for _ in range(3):
    frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode):
    return int(subprocess.run([sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True).stdout)


def test_later_frames_fault_no_pages():
    # 5 frames of 8192 pages each; the heap still grows now and then.
    assert page_faults("leave") > 25_000
    assert page_faults("keep") < 17_500


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
