"""Tells whether native code may be loaded from a place: nobody but its user and root can have put anything there."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from seg_ros.errors import EngineError


def check_folder(folder: Path) -> None:
    """Checks owner and mode of a folder and of all that are above it.

    Args:
        folder: without symbolic links (`Path.resolve`), so that what is checked is what is used.

    Raises:
        EngineError: if one belongs to or is writable by others.
    """
    if open_to_others(folder):
        raise EngineError(
            f"engine cache {folder} belongs to or is writable by others; it holds native code: "
            f"chown it to yourself and chmod 700, or set the parameter 'cache_dir'"
        )
    for above in folder.parents:
        info = above.stat()
        # In a sticky folder, as /tmp is, others cannot rename what is ours.
        writable = not info.st_mode & stat.S_ISVTX and _writable_by_others(info)
        if info.st_uid not in (0, os.getuid()) or writable:
            raise EngineError(
                f"engine cache {folder}: {above} above it belongs to or is writable by others, who could put another "
                f"in its place; it holds native code: chmod go-w {above}, or set the parameter 'cache_dir'"
            )


def open_to_others(path: Path) -> bool:
    """Returns whether a file or folder belongs to or is writable by others. Symbolic links are not followed."""
    info = path.lstat()
    return info.st_uid != os.getuid() or bool(info.st_mode & 0o022)


def _writable_by_others(info: os.stat_result) -> bool:
    if info.st_mode & stat.S_IWGRP and not _is_private(info.st_gid):
        return True
    return bool(info.st_mode & stat.S_IWOTH)


def _is_private(gid: int) -> bool:
    """Returns whether a group is the user's alone: many systems make one of each user's name, and folders for it."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return gid == user.pw_gid and group.gr_name == user.pw_name and not set(group.gr_mem) - {user.pw_name}
