"""What the tasks of a run printed, when they are done or while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from metaflow_hera.backends import Phase, RunStatus
from metaflow_hera.deploy.pod_logs import Place, PodLogs, place_of, pod_logs
from metaflow_hera.deploy.recorded import missing, open_records, step_ranks
from metaflow_hera.deploy.runs import locate, status
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.errors import UnknownRunError
from metaflow_hera.naming import CLAIM, AttemptKeys, RunKeys, pathspec
from metaflow_hera.records import tasks
from metaflow_hera.records.logs import STDERR, STDOUT, origin_keys
from metaflow_hera.records.tasks import path_order
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store
from metaflow_hera.store.parallel import each

POD = "pod"
"""The stream of what the store has not, but the pod."""

ALL_STREAMS = (STDOUT, STDERR, POD)

POLL_SECONDS = 0.5
AT_ONCE = 256
"""Streams whose contents are in memory at a time."""


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
    streams: tuple[str, ...] = ALL_STREAMS
    with_clones: bool = True
    """Whether what tasks printed counts that were taken over from the run that this one resumes."""

    @property
    def keys(self) -> RunKeys:
        return RunKeys(self.flow, self.run)

    def has(self, place: Place) -> bool:
        step, path, attempt = place
        return self.step in ("", step) and self.path in ("", path) and self.attempt in (None, attempt)

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
    target: str, settings: Settings, attempt: int | None = None, streams: tuple[str, ...] = ALL_STREAMS
) -> Selection:
    """The selection behind ``[Flow/]run[/step[/task]]``."""
    flow, run, rest = locate(target, settings)
    step, path, *_ = (*rest, "", "")
    return Selection(flow=flow, run=run, step=step, path=path, attempt=attempt, streams=streams)


def read_logs(selection: Selection, settings: Settings, tell: Tell = silent) -> Iterator[LogLine]:
    """The lines that are written, task by task in the order of the steps, stdout before stderr.

    That the run has not begun is told.
    """
    store = open_records(settings)
    segments, attempts = _listed(store, selection, {})
    of_pods: list[LogLine] = []
    if (known := pod_logs(selection.run, settings)) is not None:
        of_pods += _of_pods(selection, *known, attempts)
        _Beginning(tell).look(known[1])
    if not of_pods:
        _refuse_nothing(store, selection, attempts)
    wanted = [
        stream
        for stream in sorted(segments, key=_order(store, selection.keys))
        if stream[2] == (attempts[stream[:2]][-1] if selection.attempt is None else selection.attempt)
    ]
    for first in range(0, len(wanted), AT_ONCE):
        streams = wanted[first : first + AT_ONCE]
        for stream, data in zip(streams, _contents(store, [segments[stream] for stream in streams]), strict=True):
            yield from lines_of(stream, data)
    yield from of_pods


def _of_pods(selection: Selection, pods: PodLogs, found: RunStatus, attempts: Attempts) -> Iterator[LogLine]:
    """What is not in the store of the selected tasks."""
    if POD not in selection.streams:
        return
    recorded = [(*task, number) for task, numbers in attempts.items() for number in numbers]
    nodes = tuple(node for node in found.nodes if selection.has(place_of(node)))
    for (step, path, attempt), text in pods.lines(replace(found, nodes=nodes), recorded):
        yield LogLine(step=step, path=path, attempt=attempt, stream=POD, text=text)


def follow_logs(
    selection: Selection, settings: Settings, has_ended: Callable[[], bool] | None = None, tell: Tell = silent
) -> Iterator[LogLine]:
    """The lines as they come, of every attempt, up to the end of the run; what is there already as `read_logs` has it.

    With an attempt in the selection, those of that one. *has_ended* is for whoever knows of the end without asking.
    That the run has not begun is told, and why, once the backend knows.
    """
    store = open_records(settings)
    seen: dict[Stream, int] = {}
    rest: dict[Stream, bytes] = {}
    is_over = has_told = False
    known = pod_logs(selection.run, settings)
    cloned: dict[Place, AttemptKeys | None] = {}
    beginning = _Beginning(tell)
    while not is_over:
        found = status(f"{selection.flow}/{selection.run}", settings)
        beginning.look(found)
        is_over = found.phase.is_final or (has_ended is not None and has_ended())
        segments, attempts = _listed(store, selection, cloned)
        of_pods = [*_of_pods(selection, known[0], found, attempts)] if known else []
        has_told = has_told or bool(of_pods)
        if is_over and not has_told:
            _refuse_nothing(store, selection, attempts)
        for stream in sorted(segments, key=_order(store, selection.keys)):
            if selection.attempt not in (None, stream[2]):
                continue
            keys = segments[stream]
            (new,) = _contents(store, [keys[seen.get(stream, 0) :]])
            seen[stream] = len(keys)
            whole, newline, rest[stream] = (rest.get(stream, b"") + new).rpartition(b"\n")
            yield from lines_of(stream, whole + newline + (rest[stream] if is_over else b""))
        yield from of_pods
        if not is_over:
            time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class _Beginning:
    """Tells of a run that has not begun, each thing once."""

    tell: Tell
    told: set[str] = field(default_factory=set)

    def look(self, found: RunStatus) -> None:
        if found.phase is not Phase.PENDING or found.message in self.told:
            return
        self.told.add(found.message)
        self.tell(f"run {found.run} waits to begin" + (f": {found.message}" if found.message else ""))


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
    numbers = sorted({number for of_task in attempts.values() for number in of_task})
    if numbers and selection.attempt not in (None, *numbers):
        told = ", ".join(map(str, numbers))
        raise UnknownRunError(f"there is no attempt {selection.attempt} of {place}; attempts are {told}")


def _listed(
    store: Store, selection: Selection, cloned: dict[Place, AttemptKeys | None]
) -> tuple[dict[Stream, list[str]], Attempts]:
    """The keys of each stream's segments, in order, and the attempts of each task; one listing for all.

    *cloned* remembers of which attempts the logs are in another run.
    """
    segments: dict[Stream, list[str]] = {}
    found: dict[tuple[str, str], set[int]] = {}
    claimed: set[Place] = set()
    for key in store.keys(selection.prefix):
        parts = key.removeprefix(selection.keys.prefix).split("/")
        if len(parts) != 4 or not parts[2].isdecimal():
            continue
        step, path, number, name = parts[0], parts[1], int(parts[2]), parts[3].partition(".")[0]
        found.setdefault((step, path), set()).add(number)
        if name == CLAIM:
            claimed.add((step, path, number))
        if name in selection.streams:
            segments.setdefault((step, path, number, name), []).append(key)
    if selection.with_clones:
        every = [(*task, number) for task, numbers in found.items() for number in numbers]
        segments |= _of_clones(store, selection, [place for place in every if place not in claimed], cloned)
    return segments, {task: sorted(numbers) for task, numbers in found.items()}


def _of_clones(
    store: Store, selection: Selection, unclaimed: list[Place], cloned: dict[Place, AttemptKeys | None]
) -> dict[Stream, list[str]]:
    """The keys of what clones printed where they ran; nobody ran, and so claimed, a clone."""
    new = [place for place in unclaimed if place not in cloned]
    cloned |= zip(new, each(store, lambda place: _origin(store, selection.keys, place), new), strict=True)
    origins = [(place, keys) for place in unclaimed if (keys := cloned[place]) is not None]
    wanted = [(place, keys, name) for place, keys in origins for name in selection.streams]
    listed = each(store, lambda one: [*store.keys(one[1].log_prefix(one[2]))], wanted)
    return {(*place, name): keys for (place, _, name), keys in zip(wanted, listed, strict=True) if keys}


def _origin(store: Store, keys: RunKeys, place: Place) -> AttemptKeys | None:
    record = tasks.read(store, keys, *place)
    return origin_keys(keys, record) if record is not None and record.origin else None


def _contents(store: Store, segments: Sequence[Sequence[str]]) -> list[bytes]:
    """What each stream of these segments holds, all read at once as far as the store likes."""
    keys = [key for of_stream in segments for key in of_stream]
    data = iter(each(store, lambda key: bytes(store.get(key)), keys))
    return [b"".join(islice(data, len(of_stream))) for of_stream in segments]


def lines_of(stream: Stream, data: bytes) -> Iterator[LogLine]:
    """The lines of a stream that holds *data*."""
    step, path, attempt, name = stream
    for line in data.decode(errors="replace").removesuffix("\n").split("\n") if data else ():
        yield LogLine(step=step, path=path, attempt=attempt, stream=name, text=line)
