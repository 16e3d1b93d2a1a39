"""Files to an archive and back."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from metaflow_hera.errors import PackageError

# 1980-01-01: the first day that a zip file can hold, for the user who makes one of unpacked code.
_MODIFIED = 315532800


class Member(NamedTuple):
    """A file in an archive: its path there, its bytes, and whether it may be executed."""

    name: str
    data: bytes
    executable: bool = False


def pack(members: Iterable[Member]) -> bytes:
    """A ``tar.gz`` of the members; the same for the same members in any order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member in sorted(members):
            info = tarfile.TarInfo(member.name)
            info.size = len(member.data)
            info.mode = 0o755 if member.executable else 0o644
            info.mtime = _MODIFIED
            archive.addfile(info, io.BytesIO(member.data))
    return gzip.compress(buffer.getbuffer(), compresslevel=6, mtime=0)


def unpack(data: bytes, folder: Path) -> None:
    """Write the members below *folder*; nothing is written outside of it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # Python 3.11.0 to 3.11.3
                archive.extractall(folder)  # noqa: S202  (an archive of our own making)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise PackageError(f"{folder}: the code package cannot be unpacked: {error}") from error
