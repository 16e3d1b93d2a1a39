"""Files to an archive and back.

A zip: Python imports our own rooms right out of it, and reads the user's files with what it has loaded when it starts.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from metaflow_hera.errors import PackageError

_MODIFIED = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR = 0o100000


class Member(NamedTuple):
    """A file in an archive: its path there, its bytes, and whether it may be executed."""

    name: str
    data: bytes
    executable: bool = False

    @property
    def mode(self) -> int:
        return 0o755 if self.executable else 0o644


def pack(members: Iterable[Member]) -> bytes:
    """An archive of the members; the same for the same members in any order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for member in sorted(members):
            info = zipfile.ZipInfo(member.name, _MODIFIED)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = _UNIX
            info.external_attr = (_REGULAR | member.mode) << 16
            archive.writestr(info, member.data)
    return buffer.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Write the members below *folder*; nothing is written outside of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                Path(archive.extract(info, folder)).chmod(info.external_attr >> 16 & 0o777)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, ValueError) as error:
        raise PackageError(f"{folder}: the code package cannot be unpacked: {error}") from error
