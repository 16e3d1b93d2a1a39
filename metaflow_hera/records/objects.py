"""One record as one object of the store: how it is read, and how it is written when others may write it, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from metaflow_hera.errors import ConflictError, MissingKeyError
from metaflow_hera.records.codec import UnreadableRecordError, decode, encode
from metaflow_hera.store import ABSENT, Store

R = TypeVar("R")


def read(store: Store, key: str, type: type[R]) -> R | None:
    """The record at a key; None if there is none, or one that a machine without power has left half written."""
    try:
        return decode(type, store.get(key))
    except (MissingKeyError, UnreadableRecordError):
        return None


def write(store: Store, key: str, record: R, holds: Callable[[R], bool] = lambda _: True) -> R:
    """Write a record unless one is there that *holds*, as every one does by default; return the one that is there then.

    One write where nothing was there before.
    """
    version = ABSENT
    while True:
        try:
            store.put(key, encode(record), expect=version)
            return record
        except ConflictError:
            version = store.head(key)
        if (held := read(store, key, type(record))) is not None and holds(held):
            return held
