"""What the engine remembers, in SQLite: deployments, runs, and what happened to their pods.

Any process may add a deployment, a run or a request to end one. Only the engine writes what becomes of a run. Each
change is one small transaction; readers never wait.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from metaflow_hera.engine.journal import Event
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import ON_EXIT
from metaflow_hera.engine.schema import SCHEMA, VERSION
from metaflow_hera.engine.stored import Controls, StoredDeployment, StoredPod, StoredRun, event_of
from metaflow_hera.errors import EngineError

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})

_RENEW = "move it away and deploy again; what runs have left is in the datastore"
_ADVICE = {
    sqlite3.SQLITE_FULL: "free some space",
    sqlite3.SQLITE_IOERR: "free some space if the disk is full",
    sqlite3.SQLITE_READONLY: "let this user write to it, or choose another data directory with MFHERA_DATA_DIR",
    sqlite3.SQLITE_CANTOPEN: "let this user write to its folder, or choose another with MFHERA_DATA_DIR",
    sqlite3.SQLITE_CORRUPT: _RENEW,
    sqlite3.SQLITE_NOTADB: _RENEW,
    sqlite3.SQLITE_BUSY: "another process holds it; try again",
}


def _reason(error: Exception) -> str:
    """What went wrong, and what can be done; the low byte of SQLite's code says which kind it is of."""
    advice = _ADVICE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return f"{error}; {advice}" if advice else str(error)


class State:
    """The engine's database; one object for each process."""

    def __init__(self, file: Path, connection: sqlite3.Connection) -> None:
        self._file = file
        self._connection = connection

    @classmethod
    def open(cls, file: Path) -> Self:
        """Open the database, made on first use."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(file, timeout=30, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise EngineError(f"{file}, which keeps the engine's state, cannot be opened: {_reason(error)}") from error
        connection.row_factory = sqlite3.Row
        state = cls(file, connection)
        try:
            state._prepare()
        except BaseException:
            state.close()
            raise
        return state

    def _prepare(self) -> None:
        self._execute("pragma journal_mode = wal")
        # A crash of the process loses nothing. One of the machine may lose the last moments: what their tasks did is in
        # the store, and is not done again.
        self._execute("pragma synchronous = normal")
        if self._version() < VERSION:
            with self._change():
                for addition in SCHEMA[self._version() :]:
                    for statement in filter(str.strip, addition.split(";")):
                        self._execute(statement)
                self._execute(f"pragma user_version = {max(VERSION, self._version())}")
        if (found := self._version()) != VERSION:
            raise EngineError(
                f"{self._file} was written by a later version of metaflow-hera: its schema is {found}, ours is "
                f"{VERSION}; use that version, or another data directory"
            )

    def _version(self) -> int:
        return int(self._rows("pragma user_version")[0][0])

    @property
    def seen(self) -> int:
        """Another number whenever somebody else has changed something."""
        return int(self._rows("pragma data_version")[0][0])

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._execute("begin immediate")
        try:
            yield
        except BaseException:
            self._execute("rollback")
            raise
        self._execute("commit")

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise EngineError(
                f"{self._file}, which keeps the engine's state, cannot be used: {_reason(error)}"
            ) from error

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._execute(query, *values).fetchall()

    def deploy(self, name: str, manifest: str, now: float) -> int:
        """Keep *manifest* as the newest version of the deployment; return the version's number."""
        with self._change():
            digest = self._keep(manifest)
            self._execute(
                "insert into deployments values (?, 1, ?, ?) on conflict do update set "
                "version = version + 1, digest = excluded.digest, created = excluded.created",
                *(name, digest, now),
            )
            return int(self._rows("select version from deployments where name = ?", name)[0][0])

    def _keep(self, manifest: str) -> str:
        digest = hashlib.sha256(manifest.encode()).hexdigest()
        self._execute("insert or ignore into manifests values (?, ?)", digest, manifest)
        return digest

    def deployment(self, name: str) -> StoredDeployment | None:
        rows = self._rows("select * from stored_deployments where name = ?", name)
        return StoredDeployment(**rows[0]) if rows else None

    def deployments(self) -> list[StoredDeployment]:
        return [StoredDeployment(**row) for row in self._rows("select * from stored_deployments order by name")]

    def versions(self) -> dict[str, int]:
        """The newest version of each deployment."""
        return {row[0]: row[1] for row in self._rows("select name, version from deployments order by name")}

    def delete(self, name: str) -> bool:
        """Forget a deployment and its schedule; False if there is none. Its runs stay."""
        with self._change():
            self._execute("delete from firings where deployment = ?", name)
            return self._execute("delete from deployments where name = ?", name).rowcount > 0

    def add_run(self, run: StoredRun) -> bool:
        """False if there is one of that name."""
        with suppress(sqlite3.IntegrityError), self._change():
            self._add(run)
            return True
        return False

    def _add(self, run: StoredRun) -> None:
        self._execute(
            "insert into runs (workflow, deployment, flow, digest, parameters, created, phase) "
            "values (?, ?, ?, ?, ?, ?, ?)",
            *(run.workflow, run.deployment, run.flow, self._keep(run.manifest)),
            *(json.dumps(run.parameters), run.created, run.phase),
        )

    def run(self, workflow: str) -> StoredRun | None:
        rows = self._rows("select * from stored_runs where workflow = ?", workflow)
        return StoredRun.of(rows[0]) if rows else None

    def runs(self, deployment: str | None = None) -> Iterator[StoredRun]:
        """The newest first, without their manifests."""
        columns = "select * from run_headers where ? is null or deployment = ? order by number desc"
        return map(StoredRun.of, self._execute(columns, deployment, deployment))

    def unfinished(self, besides: Collection[int] = ()) -> list[StoredRun]:
        """Those that have not ended, besides the ones of these numbers; the oldest first."""
        numbers = {row[0] for row in self._rows("select number from runs where phase in ('Pending', 'Running')")}
        query = "select * from unfinished_runs where number = ?"
        rows = (row for number in sorted(numbers.difference(besides)) for row in self._rows(query, number))
        return list(map(StoredRun.of, rows))

    def request_termination(self, workflow: str) -> None:
        with self._change():
            self._execute("update runs set is_terminated = 1 where workflow = ?", workflow)

    def request_stop(self, workflow: str) -> None:
        """A run that was suspended goes on, to its exit handler."""
        with self._change():
            self._execute("update runs set is_stopped = 1, is_suspended = 0 where workflow = ?", workflow)

    def suspend(self, workflow: str, *, is_suspended: bool) -> None:
        """Let nothing new of the run start, or let it again; one that is about to end is not held up."""
        with self._change():
            self._execute(
                "update runs set is_suspended = ? where workflow = ? and not is_stopped", is_suspended, workflow
            )

    def controls(self) -> dict[int, Controls]:
        """What is asked of runs that have not ended, by their numbers."""
        columns = ("is_terminated", "is_stopped", "is_suspended")
        query = f"select number, {', '.join(columns)} from unfinished_runs where {' or '.join(columns)}"  # noqa: S608
        return {row[0]: Controls(*map(bool, row[1:])) for row in self._rows(query)}

    def retry(self, workflow: str) -> bool:
        """Let a run that ended badly go on, with all that did not succeed forgotten; False if it did not end so."""
        with self._change():
            query = "select number from runs where workflow = ? and phase in ('Failed', 'Error')"
            numbers = [row[0] for row in self._rows(query, workflow)]
            for number in numbers:
                self._forget_failures(number, f"{workflow}{ON_EXIT}")
                self._execute(
                    "update runs set phase = ?, message = '', started = null, finished = null, is_terminated = 0, "
                    "is_stopped = 0, is_suspended = 0 where number = ?",
                    *(Phase.PENDING, number),
                )
        return bool(numbers)

    def _forget_failures(self, run: int, exit_node: str) -> None:
        """Failed attempts of what succeeded in the end stay; what stays is not run again."""
        self._execute(
            "delete from pods where run = ? and (substr(node, 1, ?) = ? or node not in "
            "(select node from pods where run = ? and phase = ?))",
            *(run, len(exit_node), exit_node, run, Phase.SUCCEEDED),
        )
        self._execute(
            "delete from events where run = ? and (pod is null or pod not in (select name from pods where run = ?))",
            *(run, run),
        )
        self._execute("update events set is_known = 1 where run = ?", run)

    def begin_run(self, number: int, now: float) -> None:
        with self._change():
            self._execute("update runs set phase = ?, started = ? where number = ?", Phase.RUNNING, now, number)

    def end_run(self, number: int, phase: Phase, message: str, now: float) -> None:
        with self._change():
            self._execute(
                "update runs set phase = ?, message = ?, finished = ? where number = ?", phase, message, now, number
            )

    def add_pod(self, run: int, pod: Pod, now: float) -> int:
        """Write down that a pod is about to be started; return its number."""
        step, path = pod.task
        with self._change():
            number = self._execute(
                "insert into pods (run, name, node, attempt, may_retry, step, path, phase, started) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(run, pod.name, pod.node, pod.attempt, pod.may_retry, step, path, Phase.RUNNING, now),
            ).lastrowid
        assert number is not None
        return number

    def pods(self, run: int) -> list[StoredPod]:
        query = (
            "select number, name, node, attempt, may_retry, step, path, phase, message, started, finished from pods "
            "where run = ? order by number"
        )
        return list(map(StoredPod.of, self._rows(query, run)))

    def end_pod(
        self, run: int, pod: str, outcome: PodOutcome, now: float, published: Mapping[str, str] = NOTHING
    ) -> None:
        """Write down how a pod ended: what is shown, and what a replay needs; and publish events, payloads by name."""
        with self._change():
            for name, payload in published.items():
                self._publish(f"{run}/{pod}/{name}", name, payload, now)
            self._execute(
                "update pods set phase = ?, message = ?, finished = ? where run = ? and name = ?",
                *(outcome.phase, outcome.message, now, run, pod),
            )
            self._execute(
                "insert into events (run, pod, phase, outputs, message, at) values (?, ?, ?, ?, ?, ?)",
                *(run, pod, outcome.phase, json.dumps(outcome.outputs), outcome.message, now),
            )

    def _publish(self, key: str, name: str, payload: str, at: float) -> None:
        self._execute(
            "insert or ignore into published (key, name, payload, at) values (?, ?, ?, ?)", key, name, payload, at
        )

    def add_shutdown(self, run: int, how: Shutdown, now: float) -> None:
        with self._change():
            self._execute("insert into events (run, message, at) values (?, ?, ?)", run, how, now)

    def events(self, run: int) -> list[Event]:
        query = "select pod, phase, outputs, message, at, is_known from events where run = ? order by number"
        return list(map(event_of, self._rows(query, run)))
