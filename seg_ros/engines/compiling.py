"""Gives a compiler folders of its own, in place of those below /tmp that others can fill before it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

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
