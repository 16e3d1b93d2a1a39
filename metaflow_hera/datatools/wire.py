"""What S3 is asked for, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from metaflow_hera.datatools.places import Place

METADATA = "mfhera-metadata"
"""The header with an object's own metadata, as JSON: S3's headers take ASCII only, and their names have no case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What S3 tells of an object."""

    size: int
    etag: str
    content_type: str | None
    encryption: str | None
    last_modified: int | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object, or a part of it, and the local file for it; *length* is -1 for all that follows."""

    place: Place
    file: str
    offset: int = 0
    length: int = -1


@dataclass(frozen=True, slots=True)
class Upload:
    """What an object is to be made of."""

    place: Place
    source: str | IO[bytes]
    """The path of a file, or an open one."""
    content_type: str | None = None
    encryption: str | None = None
    metadata: Mapping[str, object] | None = None


def size_of(wanted: Wanted, facts: Facts) -> int:
    """Bytes of the part that is wanted, as far as the object has it."""
    rest = max(facts.size - wanted.offset, 0)
    return rest if wanted.length < 0 else min(rest, wanted.length)


def facts_of(answer: Mapping[str, Any], size: int) -> Facts:
    """The facts in an answer about an object of that size."""
    modified = answer.get("LastModified")
    return Facts(
        size=size,
        etag=answer["ETag"],
        content_type=answer.get("ContentType"),
        encryption=answer.get("ServerSideEncryption"),
        last_modified=int(modified.timestamp()) if modified else None,
        metadata=_metadata(answer.get("Metadata", {})),
    )


def _metadata(headers: Mapping[str, str]) -> Mapping[str, object]:
    """What was given with the object; of one that something else has written, its headers."""
    if METADATA not in headers:
        return headers
    found: Mapping[str, object] = json.loads(headers[METADATA])
    return found


def arguments_of(upload: Upload) -> dict[str, Any]:
    """What is said of an object that is written."""
    given = {
        "ContentType": upload.content_type,
        "ServerSideEncryption": upload.encryption,
        "Metadata": {METADATA: json.dumps(upload.metadata)} if upload.metadata else None,
    }
    return {name: value for name, value in given.items() if value is not None}
