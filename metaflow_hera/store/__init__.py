"""Where everything is kept: four verbs over keys and bytes, and nothing that knows what the bytes mean.

A key is a relative path with ``/`` between its parts, as `metaflow_hera.naming` makes it. An object is written whole
or not at all: a reader never sees half of one, and a writer that dies leaves nothing that a reader would find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NewType, Protocol

from metaflow_hera.errors import StoreError
from metaflow_hera.settings import Settings

Data = bytes | bytearray | memoryview
Version = NewType("Version", str)
"""What tells two contents of one key apart; opaque, and of its store alone."""

ABSENT: Final = Version("")
"""The version of an object that does not exist."""


class Store(Protocol):
    """A directory, a bucket with a prefix, or whatever keeps bytes under keys.

    Every verb raises `StoreError` if the store cannot be used, with what was tried and what to do.
    """

    @property
    def uri(self) -> str:
        """Opens the same store again, here or in a container: ``open_store(store.uri, settings)``."""
        ...

    @property
    def parallelism(self) -> int:
        """How many calls at once are faster than one after the other; 1 where a call is over in microseconds."""
        ...

    def put(self, key: str, *parts: Data, expect: Version | None = None) -> Version:
        """Write the parts, joined, as one object; return its version.

        With *expect*, only if the object is in that version now (`ABSENT`: if there is none), atomically; else
        `ConflictError`, and nothing is written.
        """
        ...

    def get(self, key: str, start: int = 0, end: int | None = None) -> Data:
        """The object's bytes from *start* up to *end*, as far as it has them; may be a view of mapped memory.

        `MissingKeyError` if there is no object.
        """
        ...

    def head(self, key: str) -> Version:
        """The version of the object, `ABSENT` if there is none."""
        ...

    def keys(self, prefix: str, *, deep: bool = True) -> Iterator[str]:
        """All keys that begin with *prefix*, in the order of their code points.

        Without *deep*, one entry that ends in ``/`` stands for all keys that go on after the next ``/``.
        """
        ...


def open_store(uri: str, settings: Settings) -> Store:
    """The store behind a setting: ``s3://bucket/prefix``, or the path of a directory (made when first written to)."""
    if uri.startswith("s3://"):
        from metaflow_hera.store.s3 import S3Store  # boto3 only where it is asked for

        return S3Store.open(uri, endpoint_url=settings.s3_endpoint_url, region=settings.s3_region)
    if "://" in uri:
        raise StoreError(f"datastore {uri!r} is of no known kind; write a directory, or s3://bucket/prefix")
    from metaflow_hera.store.directory import DirectoryStore

    return DirectoryStore.open(uri)
