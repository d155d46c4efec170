"""Keeps compiled artefacts on disk: found by everything that went into them, checked before they are opened."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import torch

from seg_ros.engines import eviction, trust
from seg_ros.engines.compiling import private
from seg_ros.errors import EngineError

log = logging.getLogger(__name__)

_TICK = 10.0
"""Seconds between lines of progress in the log."""
_BUILD = ".build-"
"""Before its name, the folder that an artefact is built in."""


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
        "isa": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),  # instructions that PyTorch and OpenVINO do without
    }


def graph_source() -> str:
    """Returns the digest of the source of networks and engines: another source, another artefact."""
    sha = hashlib.sha256()
    for folder in ("models", "engines"):
        for path in sorted((Path(__file__).parents[1] / folder).glob("*.py")):
            sha.update(path.read_bytes())
    return sha.hexdigest()


def key(
    engine: str, versions: dict, weights: str, shape: tuple[int, int, int], precision: str, device: str
) -> dict[str, str | int]:
    """Returns everything that goes into an artefact, of which it is the key.

    Args:
        versions: of the engine's compilers. One that names a `processor` makes its artefacts for all that it names, on
            any machine; those of the others are of this machine.
        weights: digest of the weights.
        shape: `(N, H, W)` of the input.
    """
    made_for = {"device": device} if "processor" in versions else machine(device)
    graph = {"weights": weights, "graph": graph_source(), "shape": shape, "precision": precision}
    return {"engine": engine, **graph, **made_for, **versions}


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
        self._limit = eviction.limit()

    def found(self) -> bool:
        """Returns whether there is a file of this name; `get` sees whether it can be used."""
        files = self.directory.glob(f"{self.name}.*")
        return any(file.suffix not in (".json", ".lock") for file in files)

    def get(self, build: Callable[[Path], None], suffix: str) -> Path:
        """Returns the file's path; calls `build(path)` to write it where there is none, or a damaged one.

        The path that is built is in a folder of its own, as are all that the compiler keeps; it goes with the build.
        Two processes that want the same one wait for each other: the second finds it built. A folder that cannot be
        written still serves what is in it.

        Raises:
            EngineError: if the directory cannot be written; if it, or one above it, belongs to or is writable by
                others; if the file is a symbolic link.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.directory = self.directory.resolve()
            trust.check_folder(self.directory)
            path = self.directory / f"{self.name}{suffix}"
            manifest = path.with_suffix(".json")
            self._sweep()
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
        log.info("compiling %s; this takes seconds or minutes, once: it is kept in %s", path.name, self.directory)
        start = time.monotonic()
        folder = self.directory / f"{_BUILD}{self.name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            built = folder / path.name
            with _ticking(start), private(folder):
                build(built)
            built.chmod(0o700)
            about = built.with_suffix(".json")
            about.write_text(json.dumps({"key": self.key, "sha256": _sha256(built)}))
            # The file comes last: killed in between, this leaves a manifest of nothing, and nothing large.
            about.replace(manifest)
            built.replace(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.seconds = time.monotonic() - start
        log.info("compiled in %.0f s", self.seconds)
        eviction.evict(self.directory, self._limit, path)

    def _sweep(self) -> None:
        """Removes what builds left that were killed. A build that lives holds the lock of its name."""
        for folder in self.directory.glob(_BUILD + "[0-9a-f]" * 32):
            try:
                lock = (self.directory / f"{folder.name.removeprefix(_BUILD)}.lock").open("w")
            except OSError:  # a cache that cannot be written serves all the same
                return
            with lock, contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)

    def _lock(self, lock: IO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process compiles %s; waiting for it", self.name)
            fcntl.flock(lock, fcntl.LOCK_EX)

    def _fault(self, path: Path, manifest: Path) -> str | None:
        """Returns why the file cannot be used: empty if it is not there, None if nothing is wrong with it."""
        for file in (path, manifest):
            if file.is_symlink():
                raise EngineError(
                    f"{file} is a symbolic link, expected a file: native code is loaded from the checked engine cache "
                    f"only; delete the link, and it is compiled again"
                )
        if not path.is_file() or not manifest.is_file():
            return ""
        if trust.open_to_others(path):
            return "belongs to or is writable by others"
        with contextlib.suppress(OSError):  # a cache that cannot be written is not evicted from
            os.utime(path)
        try:
            stored = json.loads(manifest.read_text())
            stored = (stored["key"], stored["sha256"])
        except (ValueError, KeyError, TypeError):
            return "has an unreadable manifest"
        return None if stored == (self.key, _sha256(path)) else "does not match its manifest"


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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
