"""Finds recordings: bags, videos and folders of pictures, given by themselves or somewhere below folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from seg_ros.errors import RecordingError
from seg_ros.picture_folders import IMAGE_SUFFIXES

BAGS = {".bag", ".mcap", ".db3"}
VIDEOS = {".mp4", ".avi", ".mkv", ".mov", ".webm"}
_METADATA = "metadata.yaml"
"""What makes a folder a rosbag2 recording."""


class Input(NamedTuple):
    """A recording.

    Attributes:
        path: of the file or folder.
        name: where its output goes, relative to the folder of outputs.
        bag: whether it is one; else it is a video or a folder of pictures.
    """

    path: Path
    name: Path
    bag: bool

    def files(self) -> list[Path]:
        """Returns the files that it consists of."""
        return [self.path] if self.path.is_file() else sorted(p for p in self.path.iterdir() if p.is_file())

    def content(self) -> str:
        """Returns the SHA-256 of its files, their names included."""
        digest = hashlib.sha256()
        for file in self.files():
            with file.open("rb") as stream:
                own = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(os.fsencode(file.name) + b"\0" + own.encode())
        return digest.hexdigest()

    def size(self) -> int:
        """Returns the bytes of its files; 0 if it is not there any more."""
        try:
            return sum(file.stat().st_size for file in self.files())
        except OSError:
            return 0


def find_inputs(paths: Sequence[Path], output: Path) -> list[Input]:
    """Finds the recordings at and below `paths`, in order.

    Raises:
        RecordingError: if a path is none and has none below it, two would have one output, or the output lies inside an
            input.
    """
    found: list[Input] = []
    for path in paths:
        if not path.exists():
            raise RecordingError(f"{path}: there is no such file or folder")
        if _inside(output, path):
            raise RecordingError(f"{output}: it must not be inside the input {path}; give another --output")
        below = list(_below(path, Path(path.stem if path.is_file() else path.resolve().name)))
        if not below:
            kinds = ", ".join(sorted(BAGS | VIDEOS | IMAGE_SUFFIXES))
            raise RecordingError(f"{path}: expected a bag, a video or pictures, or a folder of them ({kinds})")
        found += below
    taken: dict[Path, Path] = {}
    for each in found:
        if each.name in taken:
            raise RecordingError(f"{taken[each.name]} and {each.path}: both would be {output / each.name}; rename one")
        taken[each.name] = each.path
    return found


def _inside(output: Path, path: Path) -> bool:
    """Returns whether the output is the input or below it; those of different storages are not."""
    return type(output) is type(path) and output.resolve().is_relative_to(path.resolve())


def _below(path: Path, name: Path, above: tuple[Path, ...] = ()) -> Iterator[Input]:
    if path.is_file():
        if path.suffix.lower() in BAGS | VIDEOS:
            yield Input(path, name, path.suffix.lower() in BAGS)
        return
    if not path.is_dir() or path.resolve() in above:  # a link to nothing, or back to a folder that this one is in
        return
    if (path / _METADATA).is_file():
        yield Input(path, name, bag=True)
        return
    inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    if any(p.suffix.lower() in IMAGE_SUFFIXES and p.is_file() for p in inside):
        yield Input(path, name, bag=False)
    for each in inside:
        yield from _below(each, name / (each.stem if each.is_file() else each.name), (*above, path.resolve()))
