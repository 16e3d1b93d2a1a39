"""Which keys an object can have: the same ones in every store, so that no store is a trap."""

from __future__ import annotations

import re

from metaflow_hera.errors import StoreError

# A part that begins with a dot would be `..`, or one of the names that a directory keeps for files half written.
_PART = r"[^./\\\x00-\x1f\x7f\ud800-\udfff][^/\\\x00-\x1f\x7f\ud800-\udfff]*"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_FOLDER = re.compile(rf"(?:{_PART}/)*")


def checked_key(key: str) -> str:
    """*key*, if an object can have it.

    >>> checked_key("F/runs/1/run.json")
    'F/runs/1/run.json'
    """
    if not _KEY.fullmatch(key):
        raise StoreError(f"{key!r} cannot be a key: its parts, between '/', must not be empty or begin with '.'")
    return key


def split_prefix(prefix: str) -> tuple[str, str]:
    """The folder that keys with *prefix* lie in, and how their next part begins.

    >>> split_prefix("F/runs/arg"), split_prefix("")
    (('F/runs/', 'arg'), ('', ''))
    """
    folder, slash, begin = prefix.rpartition("/")
    if not _FOLDER.fullmatch(folder + slash) or (begin and not _KEY.fullmatch(begin)):
        raise StoreError(f"{prefix!r} cannot be the beginning of a key")
    return folder + slash, begin
