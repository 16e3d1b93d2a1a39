"""Which keys an object can have: the same ones in every store, so that no store is a trap."""

from __future__ import annotations

from metaflow_hera.errors import StoreError


def checked_key(key: str) -> str:
    """*key*, if an object can have it.

    >>> checked_key("F/runs/1/run.json")
    'F/runs/1/run.json'
    """
    if not key.isprintable() or "\\" in key or not all(map(_is_part, key.split("/"))):
        raise StoreError(
            f"{key!r} cannot be a key: between '/' must be printable parts that are not empty and do not begin with '.'"
        )
    return key


def split_prefix(prefix: str) -> tuple[str, str]:
    """The folder that keys with *prefix* lie in, and how their next part begins.

    >>> split_prefix("F/runs/arg"), split_prefix("")
    (('F/runs/', 'arg'), ('', ''))
    """
    folder, slash, begin = prefix.rpartition("/")
    if (
        ((folder or slash) and not all(map(_is_part, folder.split("/"))))
        or begin[:1] == "."
        or not prefix.isprintable()
    ):
        raise StoreError(f"{prefix!r} cannot be the beginning of a key")
    return folder + slash, begin


def _is_part(part: str) -> bool:
    # A part that begins with a dot would be `..`, or one of the names that a directory keeps for files half written.
    return part != "" and part[0] != "."
