"""What a run on this machine is told to have been started by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metaflow_hera.errors import UsageError
from metaflow_hera.naming import pathspec
from metaflow_hera.records import runs
from metaflow_hera.records.codec import encode
from metaflow_hera.records.run import Cause
from metaflow_hera.settings import from_environment
from metaflow_hera.store import Store


def trigger_texts(given: Sequence[str], store: Store) -> tuple[str, ...]:
    """The ends of these runs, ``Flow/run``, as a `TaskCommand` has them; without any, of those in the environment.

    `UsageError` with every run that is none, or did not succeed.
    """
    if not given:
        told = from_environment("TRIGGER")
        given = told[1].split() if told else ()
    return tuple(encode(cause).decode() for cause in _causes(given, store))


def _causes(paths: Iterable[str], store: Store) -> list[Cause]:
    found: list[Cause] = []
    problems: list[str] = []
    for path in paths:
        flow, _, run = path.partition("/")
        record = runs.read(store, flow, run) if flow and run and "/" not in run else None
        end = runs.read_end(store, flow, run) if record else None
        if record is None:
            problems.append(f"--trigger {path}: there is no such run in {store.uri}; write FLOW/RUN")
        elif end is None or end.status != runs.SUCCEEDED:
            state = end.status if end else runs.RUNNING
            problems.append(f"--trigger {path}: a run triggers another one when it has succeeded, and this is {state}")
        else:
            found.append(Cause(name=f"metaflow.{flow}.end", id=pathspec(flow, run), timestamp=end.finished, type="run"))
    if problems:
        raise UsageError("\n".join(problems))
    return found
