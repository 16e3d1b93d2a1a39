"""Deployed flows on this machine: manifests and runs in the engine's database, tasks as its processes."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from metaflow_hera.argo.manifest import listed_plan, manifests
from metaflow_hera.backends import Deployment, Phase, RunStatus, Shutdown
from metaflow_hera.backends.absent import not_deployed
from metaflow_hera.backends.embedded_status import run_status
from metaflow_hera.backends.engine import read_plan
from metaflow_hera.backends.engine_control import EngineStatus as EngineStatus
from metaflow_hera.backends.engine_control import engine_status as engine_status
from metaflow_hera.backends.engine_control import home_of, launch
from metaflow_hera.backends.engine_control import start_engine as start_engine
from metaflow_hera.backends.engine_control import stop_engine as stop_engine
from metaflow_hera.backends.parameters import completed
from metaflow_hera.backends.retrying import refuse_retry
from metaflow_hera.deployment_names import fresh_workflow_name
from metaflow_hera.engine.home import Home
from metaflow_hera.engine.pods import not_honoured as not_honoured
from metaflow_hera.engine.schedules import next_firing
from metaflow_hera.engine.sensors import Sensors
from metaflow_hera.engine.shim import LOG
from metaflow_hera.engine.state import State
from metaflow_hera.engine.stored import StoredDeployment, StoredRun
from metaflow_hera.engine.triggering import StoredEvent as StoredEvent
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import BackendError, NotDeployedError, UnknownRunError
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import workflow_of_run, workflow_run_id
from metaflow_hera.plan.records import Plan
from metaflow_hera.production_names import place_name
from metaflow_hera.records import runs
from metaflow_hera.records.run import EndRecord
from metaflow_hera.settings import Settings
from metaflow_hera.store import Store, open_store

LOOK: Final = 0.15
"""Seconds between two looks of `watch`; one that finds nothing new costs microseconds."""

STARTING: Final = 10.0
"""Seconds that an engine may take to start before a run says that there is none."""

NO_ENGINE: Final = "the engine does not run; start it with `mfhera engine start`"


class EmbeddedBackend:
    """A `backends.Backend` without a cluster; its engine is started when there is something to do."""

    name = "embedded"
    namespace = ""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home: Home = home_of(settings)

    @property
    def place(self) -> str:
        host = platform.node()
        return place_name(self.name, host, f"{host}{self._home.data_dir}")

    @property
    def where(self) -> str:
        return str(self._home.data_dir)

    def check(self, plan: Plan) -> None:
        if plan.schedule:
            next_firing(plan.schedule, time.time())  # or it is refused at its first time only

    def deploy(self, plan: Plan) -> None:
        self.check(plan)
        manifest = json.dumps(manifests(plan), sort_keys=True)
        self._home.make()
        with closing(TriggeringState.open(self._home.database)) as state:
            self._let_events_come(state)
            state.deploy(plan.name, manifest, time.time())
            self._let_events_come(state)
        if plan.schedule:
            launch(self._home)
        else:
            self._home.wake()

    def deployment(self, name: str) -> Deployment:
        with self._state() as state:
            return _deployment(self._stored(state, name))

    def deployments(self) -> Iterator[Deployment]:
        with self._state() as state:
            stored = state.deployments()
        return map(_listed, stored)

    def delete(self, name: str) -> None:
        with self._state() as state:
            self._stored(state, name)
            self._let_events_come(state)
            state.delete(name)
            self._let_events_come(state)
        self._home.wake()

    def trigger(self, name: str, parameters: Mapping[str, str]) -> str:
        with self._state() as state:
            deployment = self._stored(state, name)
            plan = read_plan(deployment.manifest)
            run = _new_run(plan, deployment.manifest, completed(plan, parameters))
            workflow = _added(state, replace(run, deployment=name))
        launch(self._home)
        return workflow_run_id(workflow)

    def submit(self, plan: Plan, parameters: Mapping[str, str], run: str = "") -> str:
        manifest = json.dumps(manifests(plan), sort_keys=True)
        new = _new_run(plan, manifest, completed(plan, parameters), workflow_of_run(run) or "")
        self._home.make()
        with closing(State.open(self._home.database)) as state:
            if not run:
                workflow = _added(state, new)
            elif state.add_run(new):
                workflow = new.workflow
            else:
                raise BackendError(f"there is a run {run} in {self._home.data_dir} already")
        launch(self._home)
        return workflow_run_id(workflow)

    def plan(self, run: str) -> Plan:
        with self._state() as state:
            stored = self._found(state, run)
        plan = read_plan(stored.manifest)
        parameters = (replace(each, value=stored.parameters.get(each.name, each.value)) for each in plan.parameters)
        return replace(plan, parameters=tuple(parameters))

    def events(self, limit: int) -> list[StoredEvent]:
        """What was published to this machine's queue, the newest first; what waits there is handled before."""
        if self._home.events.waiting():
            with closing(TriggeringState.open(self._home.database)) as state:
                self._let_events_come(state)
        with self._state() as state:
            return state.published(limit)

    def run(self, run: str) -> RunStatus:
        with self._state() as state:
            stored = self._found(state, run)
            return run_status(stored, state.pods(stored.number), message=self._message(stored))

    def runs(self, name: str | None = None) -> Iterator[RunStatus]:
        with self._state() as state:
            for stored in state.runs(name):
                yield run_status(stored, message=self._message(stored))

    def watch(self, run: str) -> Iterator[RunStatus]:
        before: RunStatus | None = None
        with self._state() as state:
            while before is None or not before.phase.is_final:
                seen, stored = state.seen, self._found(state, run)
                message = self._message(stored)
                status = run_status(stored, state.pods(stored.number), message=message)
                if status != before:
                    yield status
                before = status
                while not status.phase.is_final and state.seen == seen and self._message(stored) == message:
                    time.sleep(LOOK)

    def pod_log(self, run: str, node: str) -> Iterator[str]:
        with self._state() as state:
            numbers = [pod.number for pod in state.pods(self._found(state, run).number) if pod.node == node]
        log = self._home.pods / str(numbers[-1]) / LOG if numbers else None
        if log is not None and log.exists():
            yield from log.read_text(encoding="utf-8", errors="replace").splitlines()

    def terminate(self, run: str) -> None:
        stored = self._ask(run, State.request_termination)
        # There is no exit handler then that writes it.
        if stored is not None and (store := self._store(stored)) is not None:
            ended = EndRecord(status=Phase.FAILED, finished=time.time(), message=Shutdown.TERMINATE)
            runs.end(store, stored.flow, run, ended)

    def stop(self, run: str) -> None:
        self._ask(run, State.request_stop)

    def suspend(self, run: str) -> None:
        self._ask(run, lambda state, workflow: state.suspend(workflow, is_suspended=True))

    def unsuspend(self, run: str) -> None:
        self._ask(run, lambda state, workflow: state.suspend(workflow, is_suspended=False))

    def retry(self, run: str) -> None:
        with self._state() as state:
            stored = self._found(state, run)
            refuse_retry(run, stored.phase)
            if not stored.phase.is_final:
                return
            # First, so that whoever dies in between leaves no end that is not one; the next look at it mends the rest.
            if (store := self._store(stored)) is not None:
                runs.reopen(store, stored.flow, run)
            state.retry(stored.workflow)
        launch(self._home)

    def _ask(self, run: str, ask: Callable[[State, str], None]) -> StoredRun | None:
        """Ask something of a run and its engine; None if the run has ended."""
        with self._state() as state:
            stored = self._found(state, run)
            if stored.phase.is_final:
                return None
            ask(state, stored.workflow)
        launch(self._home)
        return stored

    def _store(self, run: StoredRun) -> Store | None:
        """Where its runs are recorded, if it says so."""
        uri = read_plan(run.manifest).annotations.get(Annotations.DATASTORE)
        return open_store(uri, self._settings) if uri else None

    def _let_events_come(self, state: TriggeringState) -> None:
        """Handle what was published before a deployment changes: it is for what was deployed then."""
        if Sensors(state, self._home.events, read_plan).fire(time.time()):
            launch(self._home)

    def _stored(self, state: State, name: str) -> StoredDeployment:
        if (deployment := state.deployment(name)) is not None:
            return deployment
        told = not_deployed(name, self.where, list(state.versions()))
        raise NotDeployedError(f"{told}; `mfhera config` tells where the data directory comes from")

    def _found(self, state: State, run: str) -> StoredRun:
        workflow = workflow_of_run(run)
        stored = None if workflow is None else state.run(workflow)
        if stored is None:
            raise UnknownRunError(f"there is no run {run!r} in {self._home.data_dir}; `mfhera runs` lists them")
        return stored

    def _message(self, run: StoredRun) -> str:
        """What hinders a run that has not ended."""
        if run.phase.is_final or time.time() < run.created + STARTING or self._home.engine_pid() is not None:
            return ""
        return NO_ENGINE

    def _state(self) -> closing[TriggeringState]:
        """The database; an empty one in memory where none was written, so that looking writes nothing."""
        file = self._home.database
        return closing(TriggeringState.open(file if file.exists() else Path(":memory:")))


def _new_run(plan: Plan, manifest: str, values: Mapping[str, str], workflow: str = "") -> StoredRun:
    """One without a deployment; without a name it gets one of the plan's."""
    return StoredRun(
        workflow=workflow or fresh_workflow_name(plan.name, 5),
        deployment="",
        flow=plan.annotations.get(Annotations.FLOW, ""),
        manifest=manifest,
        parameters=values,
        created=time.time(),
    )


def _added(state: State, run: StoredRun) -> str:
    """The name of the run, which another one gets if there is one of that name."""
    while not state.add_run(run):
        run = replace(run, workflow=fresh_workflow_name(run.workflow.rpartition("-")[0], 5))
    return run.workflow


def _deployment(stored: StoredDeployment) -> Deployment:
    return Deployment(name=stored.name, plan=read_plan(stored.manifest), created=_created(stored))


def _listed(stored: StoredDeployment) -> Deployment:
    plan = listed_plan(json.loads(stored.manifest))
    return Deployment(name=stored.name, plan=plan, created=_created(stored))


def _created(stored: StoredDeployment) -> datetime:
    return datetime.fromtimestamp(stored.created, UTC)
