"""What is left of processes and descriptors."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def children(of: int | None = None) -> set[int]:
    """Of this process, or another one, zombies included; other fixtures may have theirs."""
    found = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int(file.read_text().rpartition(")")[2].split()[1]) == (of or os.getpid()):
                found.add(int(file.parent.name))
    return found


def descriptors() -> list[str]:
    return sorted(entry.name for entry in Path("/proc/self/fd").iterdir())


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
