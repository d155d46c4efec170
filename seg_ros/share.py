"""Finds the files that come with the package but are no code: weights, configuration."""

from __future__ import annotations

import os
from pathlib import Path


def folders(name: str) -> list[Path]:
    """Returns where the folder `name` may be: in the source tree, then in each installed workspace."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(__file__).parents[1] / name, *(Path(prefix) / "share" / "seg_ros" / name for prefix in prefixes)]


def expanded(path: str | Path, what: str) -> Path:
    """Returns `path` with the home folder in place of `~` or `~USER`.

    Args:
        what: `path` is, for the error.

    Raises:
        ValueError: the home folder is not known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        who = Path(path).parts[0]
        raise ValueError(f"{what}: got {str(path)!r}, but {who} has no home folder; give the whole path") from error


def find(folder: str, name: str) -> Path | None:
    """Returns the first file `name` in one of `folders(folder)`, or None."""
    return next((path for each in folders(folder) if (path := each / name).is_file()), None)
