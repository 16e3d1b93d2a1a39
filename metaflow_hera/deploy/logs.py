"""What the tasks of a run printed, when they are done or while they run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from metaflow_hera.deploy.recorded import open_records, step_ranks
from metaflow_hera.deploy.runs import locate, status
from metaflow_hera.errors import UnknownRunError
from metaflow_hera.naming import RunKeys
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
    if not attempts and selection.step:
        raise UnknownRunError(
            f"nothing of {selection.prefix.rstrip('/')} has begun; see `mfhera status {selection.run}`"
        )
    ranks = step_ranks(store, selection.keys)

    def place(stream: Stream) -> tuple[object, ...]:
        step, path, number, name = stream
        return ranks.get(step, len(ranks)), step, path_order(path), number, name != STDOUT

    for stream in sorted(segments, key=place):
        wanted = attempts[stream[:2]] if selection.attempt is None else selection.attempt
        if stream[2] == wanted:
            yield from _lines(stream, b"".join(bytes(store.get(key)) for key in segments[stream]))


def follow_logs(selection: Selection, settings: Settings) -> Iterator[LogLine]:
    """The lines as they come, of every attempt, up to the end of the run."""
    store = open_records(settings)
    seen: dict[Stream, int] = {}
    rest: dict[Stream, bytes] = {}
    is_over = False
    while not is_over:
        is_over = status(f"{selection.flow}/{selection.run}", settings).phase.is_final
        segments, _ = _listed(store, selection)
        for stream, keys in segments.items():
            new = b"".join(bytes(store.get(key)) for key in keys[seen.get(stream, 0) :])
            seen[stream] = len(keys)
            whole, newline, rest[stream] = (rest.get(stream, b"") + new).rpartition(b"\n")
            yield from _lines(stream, whole + newline + (rest[stream] if is_over else b""))
        if not is_over:
            time.sleep(POLL_SECONDS)


def _listed(store: Store, selection: Selection) -> tuple[dict[Stream, list[str]], dict[tuple[str, str], int]]:
    """The keys of each stream's segments, in order, and the last attempt of each task; one listing for all."""
    segments: dict[Stream, list[str]] = {}
    attempts: dict[tuple[str, str], int] = {}
    for key in store.keys(selection.prefix):
        parts = key.removeprefix(selection.keys.prefix).split("/")
        if len(parts) != 4 or not parts[2].isdecimal():
            continue
        step, path, number, name = parts[0], parts[1], int(parts[2]), parts[3].partition(".")[0]
        attempts[step, path] = max(number, attempts.get((step, path), 0))
        if name in selection.streams:
            segments.setdefault((step, path, number, name), []).append(key)
    return segments, attempts


def _lines(stream: Stream, data: bytes) -> Iterator[LogLine]:
    step, path, attempt, name = stream
    for line in data.decode(errors="replace").removesuffix("\n").split("\n") if data else ():
        yield LogLine(step=step, path=path, attempt=attempt, stream=name, text=line)
