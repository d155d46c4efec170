"""Sets up what a whole process shares: environment, memory, signals, and deadlines that end a process that hangs.

Only executables call this. Importing seg_ros changes nothing outside it, so its nodes can live in a foreign process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt (`man 3 mallopt`): the free memory at the heap's end, and the size of a block, above which
glibc gives it back to the kernel."""
_NEVER = 2**30  # bytes: more than a graph allocates at once


def prepare() -> None:
    """Sets the process up for real time. Call it first of all: PyTorch and NumPy read their part when imported.

    Threads that wait for their part of a network sleep. With the default of PyTorch's OpenMP they spin, and beside
    other work frames take several times as long. NumPy's products of matrices get no threads: they would spin for
    25 ms after each. `OMP_WAIT_POLICY` and `OPENBLAS_NUM_THREADS` in the environment are left as they are.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Keeps memory that is freed after a frame with the process, for the next frame.

    Returns False where the C library is not glibc.

    glibc gives large blocks back to the kernel when they are freed, and the kernel hands them out anew page by page,
    zeroed: a tenth of the time of a compiled Mask R-CNN, and a third of an eager one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _NEVER) and mallopt(_TRIM_THRESHOLD, _NEVER))


def interrupt_once() -> None:
    """Makes the first SIGINT raise KeyboardInterrupt, and every later one nothing. Call it before `rclpy.init`.

    A second Ctrl-C would cut the cleaning up short.
    """

    def first(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)


_deadlines: dict[object, float] = {}
_changing = threading.Lock()


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Ends the process, status 1, with the stacks of all threads on stderr, if the block takes longer than `seconds`.

    A timer of the faulthandler module: its thread is C, so it works too where a native call holds Python's lock. There
    is one such timer a process; it is set to the nearest of all deadlines. Costs 35 us.
    """
    key = object()
    _change(key, time.monotonic() + seconds)
    try:
        yield
    finally:
        _change(key, None)


def release_deadlines() -> None:
    """Cancels all deadlines: the process ends anyway, and its status shall not become that of a hang."""
    with _changing:
        _deadlines.clear()
        faulthandler.cancel_dump_traceback_later()


def _change(key: object, due: float | None) -> None:
    with _changing:
        if due is None:
            if _deadlines.pop(key, None) is None:
                return  # released
        else:
            _deadlines[key] = due
        if _deadlines:
            left = min(_deadlines.values()) - time.monotonic()
            faulthandler.dump_traceback_later(max(left, 1e-3), exit=True)
        else:
            faulthandler.cancel_dump_traceback_later()
