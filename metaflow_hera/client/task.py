"""Tasks: what one task left, printed and raised, in the attempt that counts or in any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

from metaflow_hera.client.artifact import DataArtifact, MetaflowArtifacts, MetaflowData
from metaflow_hera.client.beginning import BEGINNING, BEGINNING_PATH, beginning_of
from metaflow_hera.client.code import MetaflowCode
from metaflow_hera.client.facts import Metadata, environment_of, facts_of_attempt, facts_of_run, runtime_of
from metaflow_hera.client.lineage import begun, following, is_control
from metaflow_hera.client.objects import OfRun, local_time, nearest
from metaflow_hera.errors import NotFoundError
from metaflow_hera.records import logs, tasks
from metaflow_hera.records.task import Claim, Failure, TaskRecord, TaskStatus
from metaflow_hera.records.values import Ref
from metaflow_hera.store import Store

if TYPE_CHECKING:
    from metaflow_hera.client.step import Step


class Task(OfRun[DataArtifact], depth=4):
    """A task of a step, by its index path: ``0``, ``3``, ``3.7``, ``poll/3~12``.

    With *attempt*, that one; else the one that counts: the first that succeeded, or the last.
    """

    _settled: tuple[int, TaskRecord | None] | None = None

    @classmethod
    def _known(cls, store: Store, parts: tuple[str, ...], attempt: int, record: TaskRecord | None) -> Task:
        """An attempt of which the caller knows all that there is to be read."""
        task = cls._at(store, parts, attempt)
        task._settled = attempt, record
        return task

    @property
    def parent(self) -> Step:
        return cast("Step", self._parent)

    @property
    def record(self) -> TaskRecord | None:
        """What the attempt left; None while it runs."""
        return self._found()[1]

    @property
    def refs(self) -> Mapping[str, Ref]:
        """The references of all artifacts, parameters and constants among them."""
        record = self.record
        return {**record.parameters, **record.artifacts} if record else {}

    @property
    def artifacts(self) -> MetaflowArtifacts:
        return MetaflowArtifacts(self)

    @property
    def data(self) -> MetaflowData:
        return MetaflowData(self, self.refs)

    @property
    def finished(self) -> bool:
        """Whether the attempt ended, well or not."""
        return self.record is not None

    @property
    def successful(self) -> bool:
        record = self.record
        return record is not None and record.status is TaskStatus.SUCCEEDED

    @property
    def exception(self) -> Failure | None:
        """Why the attempt failed: `type`, `text` and `traceback` of what was raised."""
        record = self.record
        return record.failure if record else None

    @property
    def created_at(self) -> datetime:
        """When the attempt began."""
        claim, record = self._claim, self.record
        assert claim or record, "an attempt has one of them"
        return local_time(claim.started if claim else record.started if record else 0)

    @property
    def finished_at(self) -> datetime | None:
        record = self.record
        return local_time(record.finished) if record else None

    @property
    def current_attempt(self) -> int:
        return self._found()[0]

    @property
    def attempts(self) -> list[Task]:
        """Every attempt as a task of its own, the first first."""
        found = tasks.attempts(self._store, self._keys, *self._parts[2:])
        return [Task._at(self._store, self._parts, number) for number, _, _ in found]

    @property
    def index(self) -> int | None:
        """Which item of the innermost foreach it is; None outside of any, and while it runs."""
        record = self.record
        return record.frames[-1].index if record and record.frames else None

    @property
    def metadata(self) -> list[Metadata]:
        """What is known of its attempts besides what they left, those of the first attempt first."""
        return [entry for number, claim, record in self._attempts() for entry in self._metadata(number, claim, record)]

    @property
    def metadata_dict(self) -> dict[str, str]:
        """What is known of the attempt, by name."""
        number, record = self._found()
        return {entry.name: entry.value for entry in self._metadata(number, self._claim, record)}

    @property
    def environment_info(self) -> dict[str, str]:
        """In what its run ran."""
        return dict(environment_of(self._run))

    @property
    def runtime_name(self) -> str:
        """``dev`` or ``argo-workflows``"""
        return runtime_of(self._run)

    @property
    def code(self) -> MetaflowCode | None:
        """The code package that it ran; None if it ran the files themselves."""
        return MetaflowCode(self._store, self._run.code, self._run.file) if self._run.code else None

    @property
    def origin_pathspec(self) -> str | None:
        """Of a task that was taken over from the run that this one resumed: that task; None of one that ran."""
        record = self.record
        return super().origin_pathspec if record is not None and record.origin else None

    @property
    def parent_tasks(self) -> Iterator[Task]:
        """The tasks that it took its artifacts from, in the order of inputs."""
        record = self.record
        for place in record.parents if record else ():
            step, path, _ = place.split("/")
            yield self._beside(step, path)

    @property
    def child_tasks(self) -> Iterator[Task]:
        """The tasks that came, or come, after it; those that have begun."""
        record = self.record
        if record is None or not record.next or self.is_virtual:
            return
        for step, paths in following(self._graph, record):
            yield from (self._beside(step, path) for path in begun(self._store, self._keys, step, paths))

    @property
    def parent_task_pathspecs(self) -> Iterator[str]:
        return (task.pathspec for task in self.parent_tasks)

    @property
    def child_task_pathspecs(self) -> Iterator[str]:
        return (task.pathspec for task in self.child_tasks)

    @property
    def is_virtual(self) -> bool:
        """Whether it is the one that stands for how its run began."""
        return self._parts[2] == BEGINNING

    @property
    def stdout(self) -> str:
        return self._log(logs.STDOUT)

    @property
    def stderr(self) -> str:
        return self._log(logs.STDERR)

    @property
    def stdout_size(self) -> int:
        """Bytes that it printed."""
        return len(self._printed(logs.STDOUT))

    @property
    def stderr_size(self) -> int:
        return len(self._printed(logs.STDERR))

    def loglines(
        self, stream: str, as_unicode: bool = True, meta_dict: object = None
    ) -> Iterator[tuple[None, str | bytes]]:
        """The lines of ``stdout`` or ``stderr``, without their ends, each after a time, which is not known.

        *meta_dict* is the peer's, and needed for nothing.
        """
        lines = self._printed(stream).removesuffix(b"\n")
        for line in lines.split(b"\n") if lines else ():
            yield None, line.decode("utf-8", "replace") if as_unicode else line

    def _log(self, stream: str) -> str:
        return self._printed(stream).decode("utf-8", "replace")

    def _printed(self, stream: str) -> bytes:
        number, record = self._found()
        step, path = self._parts[2:]
        keys = logs.origin_keys(self._keys, record) if record else self._keys.attempt(step, path, number)
        return logs.read(self._store, keys, stream)

    def _beside(self, step: str, path: str) -> Task:
        """Another task of the same run."""
        return Task._at(self._store, (*self._parts[:2], step, path), checks=self._checks)

    def _metadata(self, number: int, claim: Claim | None, record: TaskRecord | None) -> Iterator[Metadata]:
        began = claim.started if claim else record.started if record else self._run.created
        facts = {
            **dict(facts_of_run(self._run, self._store)),
            **dict(facts_of_attempt(number, claim, record)),
            **({"internal_task_type": "control_task"} if self._is_control else {}),
        }
        for name, value in facts.items():
            yield Metadata(name=name, value=value, created_at=local_time(began), type=name, task=self)

    @property
    def _is_control(self) -> bool:
        return not self.is_virtual and bool(self._run.graph) and is_control(self._graph, *self._parts[2:])

    def _attempts(self) -> list[tuple[int, Claim | None, TaskRecord | None]]:
        """All attempts, or the one that was asked for."""
        if self._attempt is not None or self.is_virtual:
            number, record = self._found()
            return [(number, self._claim, record)]
        return [*tasks.attempts(self._store, self._keys, *self._parts[2:])]

    @property
    def _claim(self) -> Claim | None:
        step, path = self._parts[2:]
        return tasks.read_claim(self._store, self._keys, step, path, self.current_attempt)

    def _found(self) -> tuple[int, TaskRecord | None]:
        """The number of the attempt, and what it left."""
        if self._settled is None:
            number, record = self._counting() if self._attempt is None else self._wanted(self._attempt)
            if record is None or (self._attempt is None and record.status is not TaskStatus.SUCCEEDED):
                return number, record
            self._settled = number, record  # nothing replaces it any more
        return self._settled

    def _counting(self) -> tuple[int, TaskRecord | None]:
        step, path = self._parts[2:]
        if self.is_virtual and path == BEGINNING_PATH:
            return 0, beginning_of(self._run)
        first = tasks.read(self._store, self._keys, step, path, 0)
        if first is not None and first.status is TaskStatus.SUCCEEDED:
            return 0, first
        found = tasks.attempts(self._store, self._keys, step, path)
        if not found:
            there = tasks.paths(self._store, self._keys, step)
            raise NotFoundError(f"there is no {self!r}: {nearest(path, there, f'tasks of {step}')}")
        succeeded = (one for one in found if one[2] is not None and one[2].status is TaskStatus.SUCCEEDED)
        number, _, record = next(succeeded, found[-1])
        return number, record

    def _wanted(self, number: int) -> tuple[int, TaskRecord | None]:
        step, path = self._parts[2:]
        record = tasks.read(self._store, self._keys, step, path, number)
        if record is None and tasks.read_claim(self._store, self._keys, step, path, number) is None:
            there = ", ".join(str(attempt._attempt) for attempt in self.attempts)
            raise NotFoundError(f"there is no {self!r}: its attempts are {there or 'none'}")
        return number, record

    def _child(self, id: str) -> DataArtifact:
        child = super()._child(id)
        child._task = self
        return child

    def _check_exists(self) -> None:
        self.parent._check_exists()
        self._found()

    def _ids(self) -> list[str]:
        return sorted(name for name in self.refs if not name.startswith("_"))

    def _repr_html_(self) -> str:
        from metaflow_hera.client.displays import task_html  # pictures, for notebooks only

        return task_html(self)
