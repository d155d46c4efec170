"""Writes files whole or not at all, and says beforehand where none can be written."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Gives the block a place beside `path` to write to, and renames what is there to `path` when the block is done.

    Of a block that fails nothing is left, and what was at `path` before stays.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_file(path: Path) -> None:
    """Checks that a file can be written at `path`; nothing is written.

    Raises:
        OSError: if `path` is a folder, or its folder is not there or cannot be written.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file, got a folder; add a name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: expected a file in a folder that exists, got {path.parent}; make it first")
    _check_writable(path.parent)


def check_folder(path: Path, needed: int = 0) -> None:
    """Checks that files can be written into the folder `path`, which may still have to be made; nothing is written.

    Args:
        needed: bytes that must be free.

    Raises:
        OSError: if `path` is a file or below one, cannot be written, or has less room.
        ValueError: if its name is not UTF-8: OpenCV, writing there, would end the process.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{path}: expected a folder whose name is UTF-8; give another") from error
    nearest = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"{path}: expected a folder, got the file {nearest}; give another name")
    _check_writable(nearest)
    free = shutil.disk_usage(nearest).free
    if free < needed:
        raise OSError(f"{path}: expected {needed / 1e6:.1f} MB of free disk, got {free / 1e6:.1f} MB; make room first")


def _check_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: expected a folder that can be written, got one that cannot; give another")
