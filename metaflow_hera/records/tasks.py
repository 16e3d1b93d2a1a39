"""Tasks: who takes which attempt, and what each attempt left.

An attempt belongs to the one process that wrote its claim, so attempts never overwrite each other, whoever counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from metaflow_hera.errors import ConflictError, MissingKeyError
from metaflow_hera.naming import RunKeys, iteration_of
from metaflow_hera.records import objects
from metaflow_hera.records.codec import encode
from metaflow_hera.records.task import Claim, TaskRecord, TaskStatus
from metaflow_hera.store import ABSENT, Store
from metaflow_hera.store.parallel import each


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The attempt that is the caller's own, or the one that *finished* already: then there is nothing to run."""

    attempt: int
    finished: TaskRecord | None = None


def claim(store: Store, keys: RunKeys, step: str, path: str, at_least: int, claim: Claim) -> Claimed:
    """Take the first attempt from *at_least* that nobody has, unless one before it succeeded.

    One write where *at_least* is 0 and nobody was there before.
    """
    if at_least == 0 and _take(store, keys.attempt(step, path, 0).claim, claim):
        return Claimed(attempt=0)
    for attempt in count(at_least):
        if done := find(store, keys, step, path):
            return Claimed(attempt=done.attempt, finished=done)
        taken = _numbers(store, keys, step, path)
        free = next(number for number in count(attempt) if number not in taken)
        if _take(store, keys.attempt(step, path, free).claim, claim):
            return Claimed(attempt=free)
    raise AssertionError("there is always a next attempt")


def write(store: Store, keys: RunKeys, record: TaskRecord) -> TaskRecord:
    """Write what an attempt left, unless that is written already; return what holds.

    So the supervisor of a process that died may write its failure without looking: it never hides a success.
    """
    return objects.write(store, keys.attempt(record.step, record.path, record.attempt).record, record)


def find(store: Store, keys: RunKeys, step: str, path: str) -> TaskRecord | None:
    """The record of the first attempt that succeeded; one read if that is attempt 0."""
    first = read(store, keys, step, path, 0)
    if first is not None and first.status is TaskStatus.SUCCEEDED:
        return first
    for attempt in sorted(_numbers(store, keys, step, path) - {0}):
        record = read(store, keys, step, path, attempt)
        if record is not None and record.status is TaskStatus.SUCCEEDED:
            return record
    return None


def find_all(store: Store, keys: RunKeys, step: str, paths: Sequence[str]) -> list[TaskRecord | None]:
    """`find` for many tasks of a step, in their order, as many at once as the store likes."""
    return each(store, lambda path: find(store, keys, step, path), paths)


def read(store: Store, keys: RunKeys, step: str, path: str, attempt: int) -> TaskRecord | None:
    """What one attempt left; None if it has left nothing yet."""
    return objects.read(store, keys.attempt(step, path, attempt).record, TaskRecord)


def read_claim(store: Store, keys: RunKeys, step: str, path: str, attempt: int) -> Claim | None:
    """Who took an attempt; None if nobody did."""
    return objects.read(store, keys.attempt(step, path, attempt).claim, Claim)


def attempts(store: Store, keys: RunKeys, step: str, path: str) -> list[tuple[int, Claim, TaskRecord | None]]:
    """All attempts of a task, the first first; one without a record runs, or died with its supervisor."""
    numbers = sorted(_numbers(store, keys, step, path))
    found = each(store, lambda number: _attempt(store, keys, step, path, number), numbers)
    return [attempt for attempt in found if attempt is not None]


def paths(store: Store, keys: RunKeys, step: str, within: str = "") -> list[str]:
    """The tasks of a step that began, by their index paths, in the order of their numbers.

    With *within*, those alone whose paths begin with it.
    """
    prefix = keys.step_prefix(step)
    listed = (key.removeprefix(prefix).removesuffix("/") for key in store.keys(prefix + within, deep=False))
    return sorted(listed, key=path_order)


def last_iteration(store: Store, keys: RunKeys, step: str, path: str) -> int | None:
    """The last iteration that began of the self-looping task at *path*, None if none did; found with one list.

    All before it have succeeded, for each begins after the success of the one before.
    """
    prefix = keys.iterations_prefix(step, path)
    return max((int(key[len(prefix) : -1]) for key in store.keys(prefix, deep=False)), default=None)


def steps(store: Store, keys: RunKeys) -> list[str]:
    """The steps of a run that began, by name."""
    listed = store.keys(keys.prefix, deep=False)
    return [key.removeprefix(keys.prefix).removesuffix("/") for key in listed if key.endswith("/")]


def path_order(path: str) -> tuple[tuple[int, ...], int]:
    indexes = path.partition("~")[0]
    return tuple(map(int, indexes.split("."))), iteration_of(path) or 0


def _take(store: Store, key: str, claim: Claim) -> bool:
    mine = encode(claim)
    try:
        store.put(key, mine, expect=ABSENT)
    except ConflictError:
        # A connection may break after the server has written: the second try then meets our own claim.
        with suppress(MissingKeyError):  # S3 also says no to both of two that come at once
            return bytes(store.get(key)) == mine
        return False
    return True


def _numbers(store: Store, keys: RunKeys, step: str, path: str) -> set[int]:
    """The attempts that somebody took."""
    prefix = keys.task_prefix(step, path)
    return {int(key.removeprefix(prefix).removesuffix("/")) for key in store.keys(prefix, deep=False)}


def _attempt(
    store: Store, keys: RunKeys, step: str, path: str, number: int
) -> tuple[int, Claim, TaskRecord | None] | None:
    claim = read_claim(store, keys, step, path, number)
    record = read(store, keys, step, path, number)
    if claim is None and record is not None:
        claim = Claim(started=record.started, host="", pid=0)
    return (number, claim, record) if claim is not None else None
