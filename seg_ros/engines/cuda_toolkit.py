"""Finds what a C++ compiler needs to build for CUDA, also where no CUDA toolkit is installed."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from seg_ros.errors import EngineError

_HEADERS = ("cuda_runtime_api.h", "crt/host_defines.h", "nv/target")
"""One of each of NVIDIA's wheels that together are enough; PyTorch brings the first."""


@contextlib.contextmanager
def cuda_toolkit(folder: Path) -> Iterator[None]:
    """Makes the compilers of the block find CUDA's headers and the driver's library.

    The headers are those of the toolkit that PyTorch found, or of NVIDIA's wheels. Linkers look for `libcuda.so`,
    which machines that only run CUDA may have as `libcuda.so.1` alone: a link in `folder` names what is loaded.

    Changes the process's environment, and restores it.

    Raises:
        EngineError: if there are no such headers.
    """
    from torch.utils import cpp_extension

    home = cpp_extension.CUDA_HOME
    used = Path(home) if home else _wheels()
    driver = _driver()
    if driver is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "libcuda.so").symlink_to(driver)
    before = {name: os.environ.get(name) for name in ("CPATH", "LIBRARY_PATH")}
    # Newer toolkits have moved some headers one folder down, where only NVIDIA's own compiler looks.
    for name, path in (("CPATH", used / "include" / "cccl"), ("LIBRARY_PATH", folder)):
        os.environ[name] = os.pathsep.join([str(path), *filter(None, [before[name]])])
    cpp_extension.CUDA_HOME = str(used)
    try:
        yield
    finally:
        cpp_extension.CUDA_HOME = home
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _wheels() -> Path:
    """Returns the folder that NVIDIA's wheels for one release of CUDA share."""
    spec = importlib.util.find_spec("nvidia")
    homes = [home for root in (spec.submodule_search_locations if spec else ()) for home in Path(root).glob("cu*")]
    for home in sorted(homes, reverse=True):
        if all((home / "include" / name).is_file() for name in _HEADERS):
            return home
    raise EngineError(
        "inductor needs the headers of CUDA and found no toolkit: install one and set CUDA_HOME, or pip install "
        "nvidia-cuda-crt and nvidia-cuda-cccl of the version that PyTorch was built with"
    )


def _driver() -> Path | None:
    """Returns the path of the driver's library that this process has loaded; None if it has none."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next((Path(line.split(maxsplit=5)[5]) for line in lines if "/libcuda.so" in line), None)
