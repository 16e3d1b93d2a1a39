"""Tasks: what one task left, printed and raised, in the attempt that counts or in any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, cast

from metaflow_hera.client.artifact import DataArtifact, MetaflowArtifacts, MetaflowData
from metaflow_hera.client.html import table
from metaflow_hera.client.objects import OfRun, local_time, nearest
from metaflow_hera.errors import NotFoundError
from metaflow_hera.naming import AttemptKeys
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
    def metadata_dict(self) -> dict[str, str]:
        """Which attempt it is, and where and as whom it runs or ran."""
        claim = self._claim
        where = {"host": claim.host, "pid": str(claim.pid), "user": claim.user} if claim else {}
        return {"attempt": str(self.current_attempt), **where}

    @property
    def parent_tasks(self) -> Iterator[Task]:
        """The tasks that it took its artifacts from, in the order of inputs."""
        record = self.record
        for place in record.parents if record else ():
            step, path, attempt = place.split("/")
            yield Task._at(self._store, (*self._parts[:2], step, path), int(attempt))

    @property
    def parent_task_pathspecs(self) -> Iterator[str]:
        return (task.pathspec for task in self.parent_tasks)

    @property
    def stdout(self) -> str:
        return self._log(logs.STDOUT)

    @property
    def stderr(self) -> str:
        return self._log(logs.STDERR)

    @property
    def stdout_size(self) -> int:
        return len(logs.read(self._store, self._attempt_keys, logs.STDOUT))

    @property
    def stderr_size(self) -> int:
        return len(logs.read(self._store, self._attempt_keys, logs.STDERR))

    def loglines(self, stream: str, as_unicode: bool = True) -> Iterator[str | bytes]:
        """The lines of ``stdout`` or ``stderr``, without their ends."""
        printed = logs.read(self._store, self._attempt_keys, stream)
        return (line.decode("utf-8", "replace") if as_unicode else line for line in printed.split(b"\n"))

    def _log(self, stream: str) -> str:
        return logs.read(self._store, self._attempt_keys, stream).decode("utf-8", "replace")

    @property
    def _attempt_keys(self) -> AttemptKeys:
        return self._keys.attempt(self._parts[2], self._parts[3], self.current_attempt)

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
        record = self.record
        state = "running" if record is None else record.status.value
        title = f"{self!r}: {state} (attempt {self.current_attempt})"
        rows = [(name, ref.type, f"{ref.size:,}") for name, ref in sorted(self.refs.items())]
        return table(title, ("artifact", "type", "bytes"), rows)
