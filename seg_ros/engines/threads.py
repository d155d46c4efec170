"""Sets how many CPU threads a graph uses. The number is part of a compiled graph, so all that open engines use this."""

from __future__ import annotations

import os

import torch


def set_threads(threads: int = 0) -> None:
    """Sets the CPU threads of PyTorch for the calling thread; 0 is one for each core this process may use."""
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
