"""Flows, runs, steps and tasks as notebooks show them: the graph in the colours of its steps, and tables beside it."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from metaflow_hera.client.html import headline, page, table, trouble
from metaflow_hera.drawing import StepState, to_svg
from metaflow_hera.graph.as_json import from_json
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.artifacts import load
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref

if TYPE_CHECKING:
    from metaflow_hera.client.flow import Flow
    from metaflow_hera.client.run import Run
    from metaflow_hera.client.step import Step
    from metaflow_hera.client.task import Task

ROWS: Final = 50
"""How many tasks a table has."""

READ: Final = 500
"""Of how many tasks of a step the records are read; of a wider one, those of the first."""

RUNS: Final = 10
LINES: Final = 12
"""Of a traceback."""

_PLAIN: Final = frozenset({"bool", "bytes", "dict", "float", "int", "list", "NoneType", "str", "tuple", "set"})
_SMALL: Final = 2000
"""Bytes of a value that is read to be shown."""


class StepFacts(NamedTuple):
    """The tasks of a step, and when they ran, in seconds since the epoch."""

    began: int
    succeeded: int
    failed: int
    first: float | None
    last: float | None

    @property
    def kind(self) -> str:
        if self.failed:
            return "failed"
        return "succeeded" if self.succeeded == self.began else "running"

    @property
    def counted(self) -> str:
        return str(self.began) if self.succeeded == self.began else f"{self.succeeded} of {self.began}"

    @property
    def took(self) -> str:
        return "" if self.first is None or self.last is None else took(self.last - self.first)

    @property
    def note(self) -> str:
        count = f"{self.counted} tasks" if self.began > 1 else ""
        return " · ".join(filter(None, (count, self.took)))


def took(seconds: float) -> str:
    """A duration in its two largest units.

    >>> took(3723), took(1.25), took(0.025)
    ('1h 2m', '1.2s', '25ms')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m {rest}s" if minutes < 60 else f"{minutes // 60}h {minutes % 60}m"


def flow_html(flow: Flow) -> str:
    latest = list(islice(flow, RUNS))
    rows = [(run.id, run.status, _moment(run.created_at), _run_took(run), ", ".join(_tags(run))) for run in latest]
    name = f"flow {flow.id}"
    head = headline(name, "", f"its latest {len(rows)} runs" if rows else "no run in this namespace")
    picture = _picture(latest[0], {}) if latest else ""
    return page(head, table("Runs", ("run", "status", "began", "took", "tags"), rows), picture=picture)


def run_html(run: Run) -> str:
    facts = {step: _facts(run, step) for step in tasks.steps(run._store, run._keys)}
    order = {step: rank for rank, step in enumerate(_order(run))}
    names = sorted(facts, key=lambda step: order.get(step, len(order)))
    steps = [(step, facts[step].counted, facts[step].kind, facts[step].took) for step in names]
    about = f"began {_moment(run.created_at)}" + (f", took {taken}" if (taken := _run_took(run)) else "")
    failure = run.exception
    parts = (
        trouble(f"{failure.type}: {failure.text}" if failure else ""),
        table("Steps", ("step", "tasks", "state", "took"), steps),
        _parameters(run),
        table("Tags", ("tag",), [(tag,) for tag in _tags(run)]) if _tags(run) else "",
    )
    return page(headline(run.pathspec, run.status, about), *parts, picture=_picture(run, facts))


def step_html(step: Step) -> str:
    every = list(step)[::-1]
    rows = [_task_row(task) for task in every[:ROWS]]
    more = f", of which {ROWS} are shown" if len(every) > ROWS else ""
    head = headline(step.pathspec, "", f"{len(every)} tasks{more}")
    return page(head, table("Tasks", ("task", "state", "attempt", "began", "took"), rows))


def task_html(task: Task) -> str:
    record = task.record
    failure = record.failure if record else None
    state, taken = _state(task), _took(record)
    about = f"attempt {task.current_attempt}, began {_moment(task.created_at)}" + (f", took {taken}" if taken else "")
    rows = [(name, ref.type, f"{ref.size:,}", _shown(task, name, ref)) for name, ref in sorted(task.refs.items())]
    traceback = "\n".join(failure.traceback.rstrip().splitlines()[-LINES:]) if failure else ""
    told = traceback or (f"{failure.type}: {failure.text}" if failure else "")
    parts = trouble(told), table("Artifacts", ("artifact", "type", "bytes", "value"), rows)
    return page(headline(task.pathspec, state, about), *parts)


def _facts(run: Run, step: str) -> StepFacts:
    paths = tasks.paths(run._store, run._keys, step)
    read = paths[:READ]
    found = tasks.find_all(run._store, run._keys, step, read)
    succeeded = [record for record in found if record is not None]
    others = [
        tasks.attempts(run._store, run._keys, step, path) for path, one in zip(read, found, strict=True) if not one
    ]
    failed = [attempts[-1][2] for attempts in others if attempts]
    records = [*succeeded, *(record for record in failed if record is not None)]
    # In a run that succeeded all tasks did, also those whose records are not read.
    unread = len(paths) - len(read) if run.successful else 0
    return StepFacts(
        began=len(paths),
        succeeded=len(succeeded) + unread,
        failed=len(others) if run.finished else sum(record is not None for record in failed),
        first=min((record.started for record in records), default=None),
        last=max((record.finished for record in records), default=None),
    )


def _order(run: Run) -> tuple[str, ...]:
    return from_json(run._run.graph).order if run._run.graph else ()


def _picture(run: Run, facts: Mapping[str, StepFacts]) -> str:
    """The graph of the run; empty for one whose flow could not be loaded."""
    if not run._run.graph:
        return ""
    graph = from_json(run._run.graph)
    states = {step: StepState(each.kind, each.note) for step, each in facts.items()}
    waiting = {step: StepState("waiting") for step in graph.order if facts and step not in facts}
    return to_svg(graph, {**waiting, **states})


def _parameters(run: Run) -> str:
    record = run._run
    refs = {name: ref for name, ref in record.parameters.items() if name in record.parameter_names}
    rows = [(name, _value(run, name, ref)) for name, ref in sorted(refs.items())]
    return table("Parameters", ("parameter", "value"), rows) if rows else ""


def _value(run: Run, name: str, ref: Ref) -> str:
    return _short(load(run._store, ref, name)) if _is_shown(ref) else f"{ref.type}, {ref.size:,} bytes"


def _shown(task: Task, name: str, ref: Ref) -> str:
    return _short(load(task._store, ref, name)) if _is_shown(ref) else ""


def _is_shown(ref: Ref) -> bool:
    return ref.type in _PLAIN and ref.size <= _SMALL


def _short(value: object) -> str:
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = 60
    try:
        return shortened.repr(value)
    except Exception:  # noqa: BLE001  (a list may hold objects of the user's, whose __repr__ may do anything)
        return "(cannot be shown)"


def _task_row(task: Task) -> tuple[str, ...]:
    return task.id, _state(task), str(task.current_attempt), _moment(task.created_at), _took(task.record)


def _state(task: Task) -> str:
    record = task.record
    return runs.RUNNING if record is None else record.status.value.capitalize()


def _took(record: TaskRecord | None) -> str:
    return took(record.finished - record.started) if record else ""


def _run_took(run: Run) -> str:
    ended = run.finished_at
    return took((ended - run.created_at).total_seconds()) if ended else ""


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"


def _tags(run: Run) -> list[str]:
    return sorted(run.user_tags)
