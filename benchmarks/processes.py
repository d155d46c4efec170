"""Reads what a process has used."""

from __future__ import annotations

import os
from pathlib import Path


def cpu_seconds(process: int | str = "self") -> float:
    """Reads the user and system time so far of all threads of a process, by its number."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
