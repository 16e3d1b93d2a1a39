"""The tags of a run: set when it begins, edited at any time by anyone, and no edit is lost.

System tags are part of the run's record and never change.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable

from metaflow_hera.errors import ConflictError, MissingKeyError, NotFoundError, TaggingError
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import runs
from metaflow_hera.records.run import RunRecord
from metaflow_hera.store import Store

COUNT_LIMIT = 50
LENGTH_LIMIT = 500

_LONGEST_PAUSE = 0.05


def read(store: Store, keys: RunKeys, record: RunRecord | None = None) -> tuple[str, ...]:
    """The user's tags of a run, sorted; *record* is the run's, if the caller has it."""
    if (edited := _edited(store, keys)) is not None:
        return edited
    record = record or runs.read(store, keys.flow, keys.run)
    return tuple(sorted(set(record.tags))) if record else ()


def edit(store: Store, keys: RunKeys, add: Iterable[str] = (), remove: Iterable[str] = ()) -> tuple[str, ...]:
    """Remove tags, then add others, as one change; return all tags that the user set.

    Adding a system tag does nothing. With a tag that cannot be, or cannot be removed, nothing changes: `TaggingError`.
    """
    record = runs.read(store, keys.flow, keys.run)
    if record is None:
        raise NotFoundError(f"there is no run {keys.flow}/{keys.run}")
    added, removed = frozenset(check(add)) - frozenset(record.system_tags), frozenset(remove)
    if fixed := sorted(removed & frozenset(record.system_tags)):
        raise TaggingError(f"run {keys.flow}/{keys.run}: {', '.join(map(repr, fixed))} cannot be removed: a system tag")
    while True:
        version = store.head(keys.tags)
        before = _tags(store, keys, record)
        after = tuple(sorted((before - removed) | added))
        _check_count(after, before, keys)
        if frozenset(after) == before:
            return after
        try:
            store.put(keys.tags, json.dumps(after).encode(), expect=version)
            return after
        except ConflictError:  # somebody else was faster; whoever waits a different time, meets others less often
            time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311


def check(tags: Iterable[str]) -> tuple[str, ...]:
    """*tags*, if all can be tags of one run; else `TaggingError` with every one that cannot."""
    tags = tuple(tags)
    problems = [problem for tag in tags if (problem := _problem(tag))]
    if len(tags) > COUNT_LIMIT:
        problems.append(f"a run can have {COUNT_LIMIT} tags, and these are {len(tags)}")
    if problems:
        raise TaggingError("; ".join(problems))
    return tags


def _problem(tag: object) -> str | None:
    if not isinstance(tag, str):
        return f"a tag must be a string, not {tag!r}"
    if not tag:
        return "a tag must not be empty"
    if len(tag) > LENGTH_LIMIT:
        return f"the tag {tag[:20]!r}… has {len(tag)} characters; at most {LENGTH_LIMIT} are allowed"
    try:
        tag.encode()
    except UnicodeEncodeError:
        return f"the tag {tag!r} is no text that UTF-8 can hold"
    return None


def _check_count(after: tuple[str, ...], before: frozenset[str], keys: RunKeys) -> None:
    if len(after) > max(COUNT_LIMIT, len(before)):
        raise TaggingError(
            f"run {keys.flow}/{keys.run} would have {len(after)} tags; at most {COUNT_LIMIT} are allowed"
        )


def _tags(store: Store, keys: RunKeys, record: RunRecord) -> frozenset[str]:
    edited = _edited(store, keys)
    return frozenset(record.tags if edited is None else edited)


def _edited(store: Store, keys: RunKeys) -> tuple[str, ...] | None:
    try:
        return tuple(json.loads(bytes(store.get(keys.tags))))
    except (MissingKeyError, ValueError):
        return None
