"""What was printed when a run had ended: by those who tell people, and by functions of @exit_hook."""

from __future__ import annotations

from collections.abc import Iterator

from metaflow_hera.backends import RunStatus, Shutdown
from metaflow_hera.backends.open import open_backend
from metaflow_hera.command import ExitCommand
from metaflow_hera.deploy.logs import LogLine, lines_of
from metaflow_hera.deploy.recorded import open_records, recorded_status
from metaflow_hera.deploy.runs import locate, status
from metaflow_hera.errors import BackendError, UnknownRunError, UsageError
from metaflow_hera.naming import RunKeys, pathspec, workflow_of_run
from metaflow_hera.plan.one_off import exit_commands_of
from metaflow_hera.records import runs
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each

EXIT = "exit"
"""Stands where the step of a task would."""


def read_exit_logs(target: str, settings: Settings, streams: tuple[str, ...]) -> Iterator[LogLine]:
    """The lines of ``[Flow/]run``, container by container, of every end that the run had; stdout before stderr."""
    flow, run, rest = locate(target, settings)
    if rest:
        raise UsageError(f"{target!r}: what is done at the end is done for a whole run; give {flow}/{run}")
    store, keys = open_records(settings), RunKeys(flow, run)
    segments: dict[tuple[int, int, int], list[str]] = {}
    there = list(store.keys(keys.exits))
    for key in there:
        end, container, name = key.removeprefix(keys.exits).split("/")
        kind = name.partition(".")[0]
        if kind in streams and container.isdecimal():  # or it says that something is done
            segments.setdefault((int(end), int(container), streams.index(kind)), []).append(key)
    if not there:
        why = _reason(keys, store, settings)
        raise UnknownRunError(f"nothing is stored of the end of {pathspec(flow, run)}: {why}")
    ends = sorted({end for end, _, _ in segments})
    for (number, _, stream), named in sorted(segments.items()):
        data = b"".join(each(store, lambda key: bytes(store.get(key)), named))
        yield from lines_of((EXIT, "0", ends.index(number), streams[stream]), data)


def _reason(keys: RunKeys, store: Store, settings: Settings) -> str:
    """Why nothing is stored of the end of a run, as far as that can be known."""
    if workflow_of_run(keys.run) is None:
        return "it ran in a terminal, and what exit hooks printed was shown there"
    found = _status(keys, store, settings)
    if found.message == Shutdown.TERMINATE:
        return "it was terminated, and Argo runs no exit step then; `mfhera stop` ends a run with it"
    if not found.phase.is_final:
        return f"it has not ended yet: it is {found.phase}"
    lost = (
        f"its exit step could not write below {keys.exits} in {store.uri}, or its pod never ran; the log of that pod "
        "tells, and `mfhera iam-policy pods` prints what pods must be allowed"
    )
    try:
        commands = exit_commands_of(open_backend(settings).plan(keys.run))
    except BackendError:  # its Workflow is gone or out of reach, and with it what was to be done at its end
        return f"it has no exit hooks and told nobody, or was terminated, or {lost}"
    wanted = ExitCommand.ON_SUCCESS if found.phase == runs.SUCCEEDED else ExitCommand.ON_ERROR
    if any(wanted in command.notify for command in commands):
        return lost
    if any(command.file for command in commands):
        return f"none of its exit hooks is for a run that ends as {found.phase}, or {lost}"
    return "it has no exit hooks and told nobody, as its deployment wanted"


def _status(keys: RunKeys, store: Store, settings: Settings) -> RunStatus:
    """As its backend has it, or else as its records do: they are read also by who cannot reach the backend."""
    try:
        return status(pathspec(keys.flow, keys.run), settings)
    except BackendError:
        return recorded_status(store, keys.flow, keys.run)
