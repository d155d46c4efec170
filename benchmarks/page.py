"""Writes tables into pages of docs/, each between two comments that name it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_INSTRUCTIONS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx512_bf16": "bfloat16",
    "amx_int8": "AMX",
}
"""What decides how fast networks run on a processor, by flag of /proc/cpuinfo."""
DOCS = Path(__file__).resolve().parents[1] / "docs"


def write_section(docs: Path, name: str, text: str, page: str = "benchmarks.md") -> None:
    """Puts `text` between `<!-- name -->` and `<!-- /name -->` of a page in the folder `docs`.

    Raises:
        ValueError: if the page has not both comments, in this order, once.
    """
    path, begin, end = docs / page, f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed) or begin in rest or end in before + after:
        raise ValueError(f"{path}: expected {begin} and then {end}, each once")
    path.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}")


def machine(*packages: str, gpu: str = "") -> str:
    """Names processor, its instructions, cores, GPU, system, Python, and the versions of installed packages."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.machine()
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    if has := [name for flag, name in _INSTRUCTIONS.items() if flag in flags]:
        processor = f"{processor} ({', '.join(has)})"
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"{processor}, {len(os.sched_getaffinity(0))} cores, {gpu or 'no GPU'}; {system}; {', '.join(versions)}."
