"""What tasks printed, taken out of the datastore: for what should never have been printed."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.deploy.logs import Selection
from metaflow_hera.deploy.recorded import missing, open_records
from metaflow_hera.errors import UnknownRunError
from metaflow_hera.naming import pathspec
from metaflow_hera.records import tasks
from metaflow_hera.records.logs import origin_keys
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store

REMOVED = b"(what was printed here has been removed)\n"


def scrub_logs(
    selection: Selection, settings: Settings, *, all_attempts: bool = False, include_not_done: bool = False
) -> Iterator[tuple[str, bool]]:
    """Each task of a step with whether its logs were removed: those of a task that still runs stay, unless included.

    Of each task the last attempt, the one of the selection, or all. What a clone printed is removed where it ran.
    """
    store, step = open_records(settings), selection.step
    paths = [selection.path] if selection.path else tasks.paths(store, selection.keys, step)
    found = [path for path in paths if tasks.attempts(store, selection.keys, step, path)]
    if not found:
        there = missing(store, selection.keys, step, selection.path)
        raise UnknownRunError(f"nothing of {pathspec(selection.flow, selection.run, step)} has begun: {there}")
    for path in found:
        attempts = tasks.attempts(store, selection.keys, step, path)
        if selection.attempt is not None:
            attempts = [attempt for attempt in attempts if attempt[0] == selection.attempt]
        chosen = attempts if all_attempts else attempts[-1:]
        is_done = all(record is not None for _, _, record in chosen)
        if is_done or include_not_done:
            for number, _, record in chosen:
                keys = selection.keys.attempt(step, path, number)
                for stream in selection.streams:
                    where = origin_keys(selection.keys, record) if record else keys
                    _remove(store, where.log_prefix(stream))
        yield pathspec(selection.flow, selection.run, step, path), is_done or include_not_done


def _remove(store: Store, prefix: str) -> None:
    for number, key in enumerate([*store.keys(prefix)]):
        store.put(key, b"" if number else REMOVED)
