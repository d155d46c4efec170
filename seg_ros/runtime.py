"""Sets up what a whole process shares: environment, memory, signals, and deadlines that end a process that hangs.

Only executables call this. Importing seg_ros changes nothing outside it, so its nodes can live in a foreign process.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import itertools
import mmap
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seg_ros import attendant

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt (`man 3 mallopt`): the free memory at the heap's end, and the size of a block, above which
glibc gives it back to the kernel."""
CLEANING_UP = 2.8
"""Seconds after a signal until a node's process ends, whatever holds it: longer than the wait for the frame in work."""
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


def interrupt_once(limit: float | None = None) -> None:
    """Makes the first SIGINT or SIGTERM raise KeyboardInterrupt, and every later one nothing.

    Call it before `rclpy.init`, whose own handlers call these: by themselves they only ask the executor to end, which
    does not look while a callback compiles or waits. What the process has started, compilers for one, is killed at
    once. A second Ctrl-C would cut the cleaning up short.

    Args:
        limit: seconds after which the process exits with status 0 whatever holds the cleaning up; None: never.
    """
    interrupted = threading.Event()

    def first(*_: Any) -> None:
        if interrupted.is_set():
            return
        interrupted.set()
        _end_children()
        if limit is not None:
            last = threading.Timer(limit, os._exit, (0,))
            last.daemon = True
            last.start()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, first)
    signal.signal(signal.SIGTERM, first)


def _end_children() -> None:
    """Kills the processes that this one started, and those that they started; the attendant ends by itself."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            parents[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
    spared = {os.getpid(), _attendant.pid if _attendant else 0}
    family = [os.getpid()]
    for parent in family:  # it grows
        family += [child for child, its in parents.items() if its == parent and child not in spared]
    for child in family[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


_attendant: subprocess.Popen | None = None
_page: mmap.mmap | None = None
_free: list[int] = []
"""Slots of the page that no deadline uses."""
_numbers = itertools.count(1)


def keep_colours() -> None:
    """Lets ROS colour its log where stderr is a terminal, although `attend` puts a pipe before it.

    Call it before rclpy is imported, whose first call decides. `RCUTILS_COLORIZED_OUTPUT` in the environment is left as
    it is.
    """
    if os.isatty(2):
        os.environ.setdefault("RCUTILS_COLORIZED_OUTPUT", "1")


def attend() -> None:
    """Starts `seg_ros.attendant` beside this process: `deadline` needs it, and no output waits for its reader any more.

    What goes to stdout and stderr, where these are pipes, sockets or terminals (which Ctrl-S halts), goes through the
    attendant, which drops what is not read in time, and says how much. Call it once, while there is one thread.
    """
    global _attendant, _page
    page = os.memfd_create("seg_ros deadlines")
    os.ftruncate(page, mmap.PAGESIZE)
    pipes: dict[tuple[int, int], tuple[int, int]] = {}
    outputs = {}
    for output in (2, 1):  # where they are one, stderr's relay is the one
        with contextlib.suppress(OSError):  # it is closed
            info = os.fstat(output)
            if stat.S_ISFIFO(info.st_mode) or stat.S_ISSOCK(info.st_mode) or os.isatty(output):
                key = info.st_dev, info.st_ino
                outputs[output] = key
                if key not in pipes:
                    pipes[key] = *os.pipe(), output
    command = [sys.executable, "-I", "-S", attendant.__file__, str(os.getpid()), str(page)]
    _attendant = subprocess.Popen(
        command + [f"{source}:{sink}" for source, _, sink in pipes.values()],
        pass_fds=[page, *(source for source, *_ in pipes.values())],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the node
    )
    for output, key in outputs.items():
        os.dup2(pipes[key][1], output)
    for source, target, _ in pipes.values():
        os.close(source)
        os.close(target)
    _page = mmap.mmap(page, mmap.PAGESIZE)
    os.close(page)
    _free[:] = range(attendant.SLOTS)
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Ends the process if the block takes longer than `seconds`, by SIGALRM, with the stacks of all threads on stderr.

    Time in which the process was stopped does not count. The attendant measures, so it works too where a native call
    holds Python's lock; it looks ten times a second. Blocks may overlap, in several threads.

    Raises:
        RuntimeError: if nobody attends.
    """
    if _page is None:
        raise RuntimeError("a deadline needs the attendant: call seg_ros.runtime.attend() first")
    slot = _free.pop()
    attendant.SLOT.pack_into(_page, slot * attendant.SLOT.size, next(_numbers), seconds)
    try:
        yield
    finally:
        attendant.SLOT.pack_into(_page, slot * attendant.SLOT.size, 0, 0.0)
        _free.append(slot)


def release_deadlines() -> None:
    """Cancels all deadlines: the process ends anyway, and its status shall not become that of a hang."""
    if _page is not None:
        _page[:] = bytes(len(_page))
