"""Objects of S3 as users see them: what was found or fetched, and what is asked for or to be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple


class RangeInfo(NamedTuple):
    """Which part of an object was fetched, in bytes."""

    total_size: int
    request_offset: int
    request_length: int


class S3GetObject(NamedTuple):
    """A part of an object to be fetched: *length* bytes from *offset* on, -1 for all that follow."""

    key: str
    offset: int = 0
    length: int = -1


class S3PutObject(NamedTuple):
    """An object to be stored: its *value*, or the *path* of a file with it."""

    key: str
    value: str | bytes | IO[bytes] | IO[str] | None = None
    path: str | None = None
    content_type: str | None = None
    encryption: str | None = None
    metadata: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Object:
    """An object that is there, or, with `exists` off, one that is not or the prefix of others."""

    url: str
    key: str
    """What `S3.get` takes for it: relative to the root if there is one, else the url."""
    prefix: str | None = None
    """The url of the root, or of what was listed."""
    path: str | None = None
    """The local file with its content, until its `S3` is closed; None if it was not fetched."""
    size: int | None = None
    """Of the object in bytes; of the file, if a part was fetched."""
    exists: bool = True
    has_info: bool = False
    """Whether the facts that follow are known."""
    content_type: str | None = None
    metadata: Mapping[str, object] | None = None
    encryption: str | None = None
    last_modified: int | None = None
    """Seconds since the epoch."""
    range_info: RangeInfo | None = None

    @property
    def downloaded(self) -> bool:
        return self.path is not None

    @property
    def blob(self) -> bytes | None:
        """The content; None if it was not fetched."""
        return None if self.path is None else Path(self.path).read_bytes()

    @property
    def text(self) -> str | None:
        """The content as UTF-8; None if it was not fetched."""
        blob = self.blob
        return None if blob is None else blob.decode("utf-8")

    def __str__(self) -> str:
        if self.exists:
            return f"<S3Object {self.url} ({self.size} bytes{', local' if self.path else ''})>"
        return f"<S3Object {self.url} (does not exist)>"
