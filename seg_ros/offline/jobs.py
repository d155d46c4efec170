"""Turns inputs into outputs that are whole or not there, and recognises those that are done already."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from seg_ros.errors import RecordingError
from seg_ros.offline.inputs import Input
from seg_ros.offline.tally import Tally

MANIFEST = "seg_ros.json"
"""File of an output that says what it was made of and with, and what became of the frames."""
_LARGEST = 2**24
"""Bytes of a manifest that is read."""

Make = Callable[[Input, Path], Tally]
"""Labels an input into a folder that is not there yet."""


@contextlib.contextmanager
def locked(output: Path) -> Iterator[None]:
    """Keeps other runs out of the folder of outputs, which is made.

    Raises:
        RecordingError: if another run is at work there.
    """
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordingError(f"{output}: another run is at work there; wait for it, or choose another") from error
        yield


def done(
    each: Input, output: Path, arguments: dict[str, Any], identity: Callable[[Input], str] = Input.content
) -> Tally | None:
    """Returns what became of the frames of an input whose output is there; None if it is not.

    Args:
        identity: of an input's contents; another one is another input.

    Raises:
        RecordingError: if what is there is of other contents or arguments, or nothing that this command made.
    """
    target = output / each.name
    if not target.exists():
        return None
    try:
        file = target / MANIFEST
        if file.stat().st_size > _LARGEST:
            raise ValueError("it is too large")
        found = json.loads(file.read_text())
        tally = Tally(**found["tally"])
        before = {"content": found["content"], **found["arguments"]}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordingError(
            f"{target}: something is there that this command did not make ({error}); move it, or --force replaces it"
        ) from error
    now = {"content": identity(each), **arguments}
    if differing := sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key)):
        which = ", ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in differing)
        raise RecordingError(f"{target}: it is there, and {which}; give another --output, or --force replaces it")
    return tally


def make(
    each: Input,
    output: Path,
    arguments: dict[str, Any],
    label: Make,
    identity: Callable[[Input], str] = Input.content,
) -> Tally:
    """Labels an input. The output appears when it is complete and on the disk; until then it is hidden beside.

    What an earlier try left unfinished, and a finished output that is there, are replaced. Each try has a folder of
    its own: a worker may outlive for a moment who gave it the job, and must not get between the files of the next one.

    Raises:
        RecordingError: of `label`; nothing is left then.
    """
    target = output / each.name
    hidden = target.with_name(f".{target.name}.partial")
    shutil.rmtree(hidden, ignore_errors=True)
    own = hidden / secrets.token_hex(8)
    own.mkdir(parents=True)
    partial = own / target.name  # files of a bag are called after its folder
    try:
        with ThreadPoolExecutor(1) as pool:  # reading once more takes less than labelling
            digest = pool.submit(identity, each)
            tally = label(each, partial)
            manifest = {
                "input": str(each.path),
                "content": digest.result(),
                "arguments": arguments,
                "tally": dataclasses.asdict(tally),
            }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
        _to_disk(partial)
        if target.exists():
            shutil.rmtree(target)
        partial.rename(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(own, ignore_errors=True)
        with contextlib.suppress(OSError):  # another try is at work there
            hidden.rmdir()
    return tally


def _to_disk(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
