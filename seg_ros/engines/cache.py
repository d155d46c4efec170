"""Keeps compiled artefacts on disk: found by everything that went into them, checked before they are opened."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import torch

from seg_ros.errors import EngineError

log = logging.getLogger(__name__)

_TICK = 10.0
"""Seconds between lines of progress in the log."""


def default_directory() -> Path:
    """Returns `$XDG_CACHE_HOME/seg_ros`, else `~/.cache/seg_ros`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seg_ros"


def machine(device: str = "cpu") -> dict[str, str | int]:
    """Returns what a compiled artefact depends on besides the graph: processor or GPU, threads, versions."""
    facts = {"device": device, "torch": torch.__version__, "python": platform.python_version()}
    if device == "cuda":
        gpu = torch.cuda.get_device_properties(0)
        return facts | {"processor": gpu.name, "capability": f"{gpu.major}.{gpu.minor}", "cuda": torch.version.cuda}
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    processor = sorted({v.strip() for k, _, v in (line.partition(":") for line in lines) if k.strip() == "model name"})
    return facts | {
        "processor": ", ".join(processor) or platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


def graph_source() -> str:
    """Returns the digest of the source of networks and engines: another source, another artefact."""
    sha = hashlib.sha256()
    for folder in ("models", "engines"):
        for path in sorted((Path(__file__).parents[1] / folder).glob("*.py")):
            sha.update(path.read_bytes())
    return sha.hexdigest()


class Artefact:
    """One compiled file, named by the hash of its `key`.

    Args:
        directory: of the cache; made for the user only where it is not there yet.
        key: everything that went into the artefact, as JSON values.

    Attributes:
        seconds: that building took; 0.0 if it was found.
    """

    def __init__(self, directory: Path, key: dict) -> None:
        self.directory = directory
        self.key = json.dumps(key, sort_keys=True)
        self.name = hashlib.sha256(self.key.encode()).hexdigest()[:32]
        self.seconds = 0.0

    def get(self, build: Callable[[Path], None], suffix: str) -> Path:
        """Returns the file's path; calls `build(path)` to write it where there is none, or a damaged one.

        Two processes that want the same one wait for each other: the second finds it built. A folder that cannot be
        written still serves what is in it.

        Raises:
            EngineError: if the directory cannot be written, or belongs to or is writable by others.
        """
        path = self.directory / f"{self.name}{suffix}"
        manifest = path.with_suffix(".json")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._check_owner()
            if self._fault(path, manifest) is None:
                return path
            with (self.directory / f"{self.name}.lock").open("w") as lock:
                self._lock(lock)
                fault = self._fault(path, manifest)
                if fault is None:
                    return path
                if fault:
                    log.warning("%s %s; it is rebuilt", path, fault)
                self._build(build, path, manifest)
                return path
        except OSError as error:
            raise EngineError(
                f"engine cache {self.directory}: {error}; set the parameter 'cache_dir' to a folder you can write"
            ) from error

    def _build(self, build: Callable[[Path], None], path: Path, manifest: Path) -> None:
        log.info("compiling %s; this takes a minute or a few, once: it is kept in %s", path.name, self.directory)
        start = time.monotonic()
        partial = path.with_name(f".partial-{path.name}")
        with _ticking(start):
            build(partial)
        partial.chmod(0o700)
        partial.replace(path)
        # The manifest is written last: without it the file counts as half-written.
        manifest.write_text(json.dumps({"key": self.key, "sha256": _sha256(path)}))
        self.seconds = time.monotonic() - start
        log.info("compiled in %.0f s", self.seconds)

    def _lock(self, lock: IO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process compiles %s; waiting for it", self.name)
            fcntl.flock(lock, fcntl.LOCK_EX)

    def _fault(self, path: Path, manifest: Path) -> str | None:
        """Returns why the file cannot be used: empty if it is not there, None if nothing is wrong with it."""
        if not path.is_file() or not manifest.is_file():
            return ""
        if _open_to_others(path):
            return "belongs to or is writable by others"
        try:
            stored = json.loads(manifest.read_text())
            stored = (stored["key"], stored["sha256"])
        except (ValueError, KeyError, TypeError):
            return "has an unreadable manifest"
        return None if stored == (self.key, _sha256(path)) else "does not match its manifest"

    def _check_owner(self) -> None:
        # An artefact is native code: one that others can write is never loaded.
        if _open_to_others(self.directory):
            raise EngineError(
                f"engine cache {self.directory} belongs to or is writable by others; it holds native code: "
                f"chown it to yourself and chmod 700, or set the parameter 'cache_dir'"
            )


@contextlib.contextmanager
def _ticking(start: float) -> Iterator[None]:
    """Logs every ten seconds that the work still goes on."""
    done = threading.Event()

    def tick() -> None:
        while not done.wait(_TICK):
            log.info("still compiling, %.0f s so far", time.monotonic() - start)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _open_to_others(path: Path) -> bool:
    info = path.stat()
    return info.st_uid != os.getuid() or bool(info.st_mode & 0o022)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
