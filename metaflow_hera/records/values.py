"""Values and their bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """Where a value is: inside of the record that holds the reference, or an object of its own.

    Exactly one of *inline* and *digest* is given.
    """

    size: int
    """Bytes of the stored form."""
    type: str
    """``module.Class`` of the value, for people."""
    inline: bytes | None = None
    digest: str | None = None
    """Names the content-addressed object: `naming.data_key`."""
