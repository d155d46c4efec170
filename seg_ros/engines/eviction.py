"""Keeps the cache of compiled artefacts below a size: what was used longest ago goes."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
from pathlib import Path

from seg_ros.errors import EngineError

log = logging.getLogger(__name__)

_VARIABLE = "SEG_ROS_CACHE_GB"
_DEFAULT_GB = 4.0
"""Two dozen engines of the largest network that is shipped (180 MB each)."""
_ARTEFACT = re.compile(r"[0-9a-f]{32}\.(?!json$|lock$)\w+")
"""Names that the cache gives. The folder is the user's choice, and may hold other files."""


def limit() -> int:
    """Returns the bytes that a cache may hold: `$SEG_ROS_CACHE_GB` in GB, else 4 GB.

    It is no parameter of a node, for all nodes and commands of a user share one cache.

    Raises:
        EngineError: if the variable is no number above 0.
    """
    text = os.environ.get(_VARIABLE) or str(_DEFAULT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = math.nan
    if not 0 < gigabytes < math.inf:
        raise EngineError(f"environment variable {_VARIABLE}: expected gigabytes above 0, such as 4, got {text!r}")
    return int(gigabytes * 1e9)


def evict(folder: Path, most: int, kept: Path) -> None:
    """Deletes the artefacts that were used longest ago until all of `folder` have `most` bytes.

    Processes that have loaded them keep them. `kept`, the one that was built just now, stays in any case.
    """
    artefacts = []
    for path in folder.iterdir():
        if _ARTEFACT.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # another process evicts, too
                info = path.stat()
                artefacts.append((info.st_mtime_ns, info.st_size, path))
    total = sum(size for _, size, _ in artefacts)
    for _, size, path in sorted(artefacts):
        if total <= most:
            return
        if path != kept:
            log.info("%s was used longest ago and is deleted: the cache may have %.1f GB", path, most / 1e9)
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            total -= size
