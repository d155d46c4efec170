"""Recordings and outputs on object storage, by their URLs: inputs are fetched aside, outputs are sent when complete.

The storage is whatever `fsspec` knows (s3, gs, az, sftp and others); `universal_pathlib` makes it look like paths.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seg_ros.errors import RecordingError
from seg_ros.offline.inputs import Input
from seg_ros.offline.jobs import MANIFEST

_UNFINISHED = ".seg_ros.unfinished"
"""File of an output that is being sent: object storage cannot rename folders."""
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "LastModified", "last_modified", "mtime", "created")
"""What storages call that which changes with a file, the best first."""


def place(text: str) -> Path:
    """Returns an absolute path of this machine's, or what a URL says, which can be used like one.

    Raises:
        RecordingError: if it is a URL, and what is needed to reach it is not installed.
    """
    if "://" not in text:
        return Path(text).absolute()
    try:
        from upath import UPath

        found = UPath(text)
        found.exists()
    except (ImportError, ValueError) as error:
        raise RecordingError(f"{text}: {error}; pip install -r requirements/remote.txt") from error
    return found


def is_remote(path: Path) -> bool:
    """Returns whether a path is of object storage."""
    return not isinstance(path, Path)


def identity(each: Input) -> str:
    """Returns what changes with an input: the SHA-256 of its files; of remote ones that of their sizes and versions."""
    if not is_remote(each.path):
        return each.content()
    lines = [f"{file.name} {_version(file.fs.info(file.path))}" for file in each.files()]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _version(info: dict[str, Any]) -> str:
    version = next((info[key] for key in _VERSIONS if info.get(key)), "")
    return f"{info['size']} {version}"


@contextlib.contextmanager
def fetched(each: Input) -> Iterator[Input]:
    """Gives an input of this machine's: itself, or a copy in the folder for temporary files, which is removed.

    Raises:
        RecordingError: if it is not there any more, or must not be read.
    """
    if not is_remote(each.path):
        yield each
        return
    with tempfile.TemporaryDirectory(prefix="seg_ros-") as folder:
        copy = Path(folder) / each.path.name
        files = [(each.path, copy)]
        if each.path.is_dir():
            copy.mkdir()
            files = [(file, copy / file.name) for file in each.files()]
        for file, to in files:
            try:
                file.fs.get_file(file.path, str(to))
            except (FileNotFoundError, PermissionError) as error:
                raise RecordingError(f"it cannot be fetched: {error}") from error
        yield each._replace(path=copy)


@contextlib.contextmanager
def complete(output: Path, name: Path) -> Iterator[Path]:
    """Gives a folder of this machine's for the output `name`, whose contents then are sent to where it belongs.

    The manifest is sent last. An output that is there is replaced.
    """
    if not is_remote(output):
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="seg_ros-") as folder:
        yield Path(folder)
        made, target = Path(folder) / name, output / str(name)
        if target.exists():
            target.fs.rm(target.path, recursive=True)
        target.mkdir(parents=True, exist_ok=True)
        (target / _UNFINISHED).touch()
        files = sorted(path for path in made.rglob("*") if path.is_file() and path.name != MANIFEST)
        for file in [*files, made / MANIFEST]:
            to = target / str(file.relative_to(made))
            to.parent.mkdir(parents=True, exist_ok=True)
            to.fs.put_file(str(file), to.path)
        (target / _UNFINISHED).unlink()


def unfinished(target: Path) -> bool:
    """Returns whether sending an output was interrupted."""
    return is_remote(target) and (target / _UNFINISHED).exists()
