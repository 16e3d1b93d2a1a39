"""How the tasks of a gang find each other, and learn that one of them has failed: two objects beside its first task's
claim.

Those that went to the same attempt of the first task are together. When one of them fails, none can go on: they all
end, and those that are tried again meet anew at the next attempt of the first.
"""

from __future__ import annotations

from contextlib import suppress

from metaflow_hera.errors import ConflictError, MissingKeyError
from metaflow_hera.naming import AttemptKeys, RunKeys
from metaflow_hera.store import ABSENT, Store


def announce(store: Store, keys: AttemptKeys, address: str) -> None:
    """Write down where the first task runs in this attempt."""
    store.put(keys.address, address.encode())


def last_attempt(store: Store, keys: RunKeys, step: str, path: str) -> int | None:
    """The last attempt of the first task, at *path*, that has announced where it runs, None if none has; one list."""
    prefix = keys.task_prefix(step, path)
    found = {key.removeprefix(prefix) for key in store.keys(prefix)}
    numbers = {int(name.partition("/")[0]) for name in found}
    return max((number for number in numbers if AttemptKeys(f"{number}/").address in found), default=None)


def address(store: Store, keys: AttemptKeys) -> str:
    return bytes(store.get(keys.address)).decode()


def break_up(store: Store, key: str, reason: str) -> None:
    """Let the others know at the `AttemptKeys.broken` of the first task's attempt; the first reason stays."""
    with suppress(ConflictError):
        store.put(key, reason.encode(errors="replace"), expect=ABSENT)


def why_broken(store: Store, key: str) -> str | None:
    """Which task failed and why; None while all is well."""
    try:
        return bytes(store.get(key)).decode()
    except MissingKeyError:
        return None
