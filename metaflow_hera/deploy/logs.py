"""What the tasks of a run printed, when they are done or while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metaflow_hera.deploy.recorded import missing, open_records, step_ranks
from metaflow_hera.deploy.runs import locate, status
from metaflow_hera.errors import UnknownRunError
from metaflow_hera.naming import RunKeys, pathspec
from metaflow_hera.records.logs import STDERR, STDOUT
from metaflow_hera.records.tasks import path_order
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store

POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line, without its end, and the attempt that printed it."""

    step: str
    path: str
    attempt: int
    stream: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which tasks, attempts and streams of a run; without an attempt, the last of each task."""

    flow: str
    run: str
    step: str = ""
    path: str = ""
    attempt: int | None = None
    streams: tuple[str, ...] = (STDOUT, STDERR)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(self.flow, self.run)

    @property
    def prefix(self) -> str:
        """What all keys of the selection begin with."""
        if self.step and self.path:
            return self.keys.task_prefix(self.step, self.path)
        return self.keys.step_prefix(self.step) if self.step else self.keys.prefix


Stream = tuple[str, str, int, str]
"""Step, path, attempt and which of the two."""

Attempts = dict[tuple[str, str], list[int]]
"""The numbers of the attempts that began, by step and path."""


def select(
    target: str, settings: Settings, attempt: int | None = None, streams: tuple[str, ...] = (STDOUT, STDERR)
) -> Selection:
    """The selection behind ``[Flow/]run[/step[/task]]``."""
    flow, run, rest = locate(target, settings)
    step, path, *_ = (*rest, "", "")
    return Selection(flow=flow, run=run, step=step, path=path, attempt=attempt, streams=streams)


def read_logs(selection: Selection, settings: Settings) -> Iterator[LogLine]:
    """The lines that are written, task by task in the order of the steps, stdout before stderr."""
    store = open_records(settings)
    segments, attempts = _listed(store, selection)
    _refuse_nothing(store, selection, attempts)
    for stream in sorted(segments, key=_order(store, selection.keys)):
        wanted = attempts[stream[:2]][-1] if selection.attempt is None else selection.attempt
        if stream[2] == wanted:
            yield from _lines(stream, b"".join(bytes(store.get(key)) for key in segments[stream]))


def follow_logs(selection: Selection, settings: Settings) -> Iterator[LogLine]:
    """The lines as they come, of every attempt, up to the end of the run; what is there already as `read_logs` has it.

    With an attempt in the selection, those of that one.
    """
    store = open_records(settings)
    seen: dict[Stream, int] = {}
    rest: dict[Stream, bytes] = {}
    is_over = False
    while not is_over:
        is_over = status(f"{selection.flow}/{selection.run}", settings).phase.is_final
        segments, attempts = _listed(store, selection)
        if is_over:
            _refuse_nothing(store, selection, attempts)
        for stream in sorted(segments, key=_order(store, selection.keys)):
            if selection.attempt not in (None, stream[2]):
                continue
            keys = segments[stream]
            new = b"".join(bytes(store.get(key)) for key in keys[seen.get(stream, 0) :])
            seen[stream] = len(keys)
            whole, newline, rest[stream] = (rest.get(stream, b"") + new).rpartition(b"\n")
            yield from _lines(stream, whole + newline + (rest[stream] if is_over else b""))
        if not is_over:
            time.sleep(POLL_SECONDS)


def _order(store: Store, keys: RunKeys) -> Callable[[Stream], tuple[object, ...]]:
    """Task by task in the order of the steps, stdout before stderr."""
    ranks = step_ranks(store, keys)

    def place(stream: Stream) -> tuple[object, ...]:
        step, path, number, name = stream
        return ranks.get(step, len(ranks)), step, path_order(path), number, name != STDOUT

    return place


def _refuse_nothing(store: Store, selection: Selection, attempts: Attempts) -> None:
    """`UnknownRunError` for a step, a task or an attempt that there is nothing of; it names those that there are."""
    place = pathspec(*filter(None, (selection.flow, selection.run, selection.step, selection.path)))
    if not attempts and selection.step:
        there = missing(store, selection.keys, selection.step, selection.path)
        raise UnknownRunError(f"nothing of {place} has begun: {there}; see `mfhera status {selection.run}`")
    numbers = sorted({number for each in attempts.values() for number in each})
    if numbers and selection.attempt not in (None, *numbers):
        told = ", ".join(map(str, numbers))
        raise UnknownRunError(f"there is no attempt {selection.attempt} of {place}; attempts are {told}")


def _listed(store: Store, selection: Selection) -> tuple[dict[Stream, list[str]], Attempts]:
    """The keys of each stream's segments, in order, and the attempts of each task; one listing for all."""
    segments: dict[Stream, list[str]] = {}
    found: dict[tuple[str, str], set[int]] = {}
    for key in store.keys(selection.prefix):
        parts = key.removeprefix(selection.keys.prefix).split("/")
        if len(parts) != 4 or not parts[2].isdecimal():
            continue
        step, path, number, name = parts[0], parts[1], int(parts[2]), parts[3].partition(".")[0]
        found.setdefault((step, path), set()).add(number)
        if name in selection.streams:
            segments.setdefault((step, path, number, name), []).append(key)
    return segments, {task: sorted(numbers) for task, numbers in found.items()}


def _lines(stream: Stream, data: bytes) -> Iterator[LogLine]:
    step, path, attempt, name = stream
    for line in data.decode(errors="replace").removesuffix("\n").split("\n") if data else ():
        yield LogLine(step=step, path=path, attempt=attempt, stream=name, text=line)
