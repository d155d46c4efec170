"""Where the files lie that come with the package but are no code: weights, configuration."""

from __future__ import annotations

import os
from pathlib import Path


def folders(name: str) -> list[Path]:
    """Candidates for the folder `name`: of the source tree, then of each installed workspace."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(__file__).parents[1] / name, *(Path(prefix) / "share" / "seg_ros" / name for prefix in prefixes)]
