"""The Fast DDS profile that camera images fit into: which file, named by which variable, unless the user chose another.

The stock shared-memory segment is smaller than one image: best-effort images, as cameras publish them, get lost between
two processes without a word (docs/transport.md). Other middlewares know neither variable. As a script this prints what
a shell has to do, for scripts/env.sh:

    eval "$(python -m seg_ros.fast_dds)"
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from seg_ros.share import find

VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Of Fast DDS 2 and of Fast DDS 3, which still takes the old one, too: with a warning, and before its own."""


def variable(environ: Mapping[str, str] = os.environ) -> str:
    """Returns the name of the variable that the installed Fast DDS reads: before release 3 it is package `fastrtps`."""
    prefixes = environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return VARIABLES[not any(prefix and Path(prefix, "share/fastrtps").is_dir() for prefix in prefixes)]


def chosen(environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Returns the variable that names a profile already, and the file; None if neither does."""
    return next(((name, environ[name]) for name in VARIABLES if environ.get(name)), None)


def settings(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns what to add to the environment of processes that exchange images; empty where the user has chosen."""
    profile = find("config", "fastdds.xml")
    return {} if profile is None or chosen(environ) else {variable(environ): str(profile)}


def environment() -> dict[str, str]:
    """Returns this process's environment with those settings, for a child process."""
    return os.environ | settings()


if __name__ == "__main__":
    for name, file in settings().items():
        print(f"export {name}={shlex.quote(file)}")
