"""Gives a compiler a folder of its own, in place of those below /tmp that others can fill, and a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from seg_ros.errors import EngineError

_FOLDERS = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TORCH_EXTENSIONS_DIR")
"""Where PyTorch's compilers keep what they load again. Read at each use, and by the processes that they start."""
_one_at_a_time = threading.Lock()  # the environment is the process's


@contextlib.contextmanager
def private(folder: Path) -> Iterator[None]:
    """Makes the compilers of the block, and their child processes, keep and look for native code in `folder` only.

    Changes the process's environment, and restores it; a second block waits for the first.
    """
    with _one_at_a_time:
        before = {name: os.environ.get(name) for name in _FOLDERS}
        os.environ.update({name: str(folder / name.lower()) for name in _FOLDERS})
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def run_apart(module: str, folder: Path, *arguments: object) -> None:
    """Runs a module as a process, for a compiler that must end at once and may run out of memory.

    Its stdin is open for as long as this process lives, and it has a process group of its own: so it can end itself,
    and all that it started, when this process is gone, however that ended. Temporary files go to `folder`.

    Args:
        module: finds the packages that this process finds; what it writes to stdout is why it failed.
        folder: private to the caller, and deleted by it.

    Raises:
        EngineError: if it does not end with status 0, with what it said.
    """
    said = folder / "said"
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    # -P: nothing in the current folder takes the place of a package.
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    with said.open("wb") as output, _started(command, environment, output) as process:
        status = process.wait()
    if status:
        how = f"ended by signal {-status}" if status < 0 else f"status {status}"
        raise EngineError(said.read_text(errors="replace").strip() or f"the compiler's process: {how}")


@contextlib.contextmanager
def _started(command: list[str], environment: dict[str, str], output: object) -> Iterator[subprocess.Popen]:
    """Starts a process in a group of its own, and kills the group if the block ends before it."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, env=environment, process_group=0)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdin.close()
