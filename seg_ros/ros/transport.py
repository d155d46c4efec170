"""Whether the middleware carries messages as large as images between processes, and what to set where it does not.

What is asked is what this process has, not what its settings say: Fast DDS takes them from four places, ignores some of
them in silence, and goes on without shared memory when `/dev/shm` is full. docs/transport.md has the figures.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import rclpy

from seg_ros import fast_dds

_SHM = Path("/dev/shm")
_SEGMENT = re.compile(rf"{_SHM}/((?:fastdds|fastrtps)_[0-9a-f]+)_el")
"""The lock that a process holds open for each segment of its own; those of others it maps, but does not lock."""


def shortfall(needed: int, environ: Mapping[str, str] = os.environ) -> str:
    """Explains why messages of `needed` bytes can get lost between processes of this machine, and what to do about it.

    Call it once there is a node: before, the middleware has nothing to look at. The answer holds for what this process
    sends; its camera is another process, mostly with the same settings. Empty if nothing is wrong or nothing is known.
    """
    middleware = rclpy.get_rmw_implementation_identifier()
    if "fastrtps" in middleware:
        return fast_dds_shortfall(needed, _segments(), _room(), environ)
    if middleware == "rmw_cyclonedds_cpp":
        return cyclone_dds_shortfall(needed, _receive_buffer(), environ)
    return ""  # rmw_zenoh_cpp carries them over TCP


def fast_dds_shortfall(needed: int, segments: list[int] | None, room: int, environ: Mapping[str, str]) -> str:
    """Answers `shortfall` for a process on Fast DDS; all sizes in bytes.

    Args:
        segments: sizes of its own shared-memory segments; None where that is not known.
        room: what is free for more of them.
    """
    enough = 2 * needed  # the next is written while the last is still read
    if segments is None or max(segments, default=0) >= enough:
        return ""
    advice = f"{_profile(environ)}, here and for the camera's process" if segments else "leave shared memory on"
    return (
        f"{_lost(needed)}: expected a shared-memory segment of {_mb(enough)}, "
        f"got {_mb(max(segments)) if segments else 'none'}; {advice}; "
        f"{_SHM} has {_mb(room)} free (docker run --shm-size=512m gives more)"
    )


def cyclone_dds_shortfall(needed: int, receive_buffer: int | None, environ: Mapping[str, str]) -> str:
    """Answers `shortfall` for a process on Cyclone DDS.

    Args:
        receive_buffer: bytes that the kernel allows a socket to receive into; None where that is not known.
    """
    uri = environ.get("CYCLONEDDS_URI", "")
    if receive_buffer is None or (receive_buffer >= needed and uri):
        return ""
    return (
        f"{_lost(needed)}: expected net.core.rmem_max of {needed} and "
        f"Internal/SocketReceiveBufferSize in CYCLONEDDS_URI, got {receive_buffer} and {uri or 'no URI'}; "
        "see docs/transport.md"
    )


def _profile(environ: Mapping[str, str]) -> str:
    """Returns what to do about the file that should have given Fast DDS a larger segment."""
    if chosen := fast_dds.chosen(environ):
        variable, file = chosen
        if not Path(file).is_file():
            return f"{variable} names {file}, which does not exist: correct it"
        try:
            ElementTree.parse(file)
        except ElementTree.ParseError as error:
            return f"{variable} names {file}, which is no XML ({error}): correct it"
        return f"raise segment_size of the default participant in {file} ({variable})"
    ours = fast_dds.settings(environ) or {fast_dds.variable(environ): "config/fastdds.xml"}
    return f"export {'='.join(*ours.items())}"


def _segments() -> list[int] | None:
    """Returns the sizes in bytes of the shared-memory segments that this process sends through."""
    if not (descriptors := Path("/proc/self/fd")).is_dir():
        return None
    sizes = []
    for descriptor in descriptors.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if match := _SEGMENT.fullmatch(os.readlink(descriptor)):
                sizes.append((_SHM / match[1]).stat().st_size)
    return sizes


def _room() -> int:
    """Returns the bytes that are free for shared memory."""
    if not _SHM.is_dir():
        return 0
    found = os.statvfs(_SHM)
    return found.f_bavail * found.f_frsize


def _receive_buffer() -> int | None:
    file = Path("/proc/sys/net/core/rmem_max")
    return int(file.read_text()) if file.is_file() else None


def _lost(needed: int) -> str:
    return f"messages of {_mb(needed)} may get lost between processes"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
