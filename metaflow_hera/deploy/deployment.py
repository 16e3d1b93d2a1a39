"""Deploying flows, and starting runs of what is deployed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from metaflow_hera.backends import Backend, RunStatus
from metaflow_hera.backends import Deployment as BackendDeployment
from metaflow_hera.backends.embedded import not_honoured
from metaflow_hera.backends.open import open_backend
from metaflow_hera.backends.parameters import completed
from metaflow_hera.client import Run
from metaflow_hera.deploy.arguments import parameters_of_plan, to_texts
from metaflow_hera.deploy.choices import DEPLOYED_WORKERS, Choices
from metaflow_hera.deploy.compilation import Compiled, compile_flow, describe_package
from metaflow_hera.deploy.recorded import record_end
from metaflow_hera.deploy.runs import client_run
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.success import succeeded
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.errors import BackendError, NotDeployedError, ParameterError, RunFailedError
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.naming import Annotations
from metaflow_hera.package import upload
from metaflow_hera.plan.records import Plan, Schedule
from metaflow_hera.settings import Settings

POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A deployed flow, by its own annotations: triggering it needs no source."""

    name: str
    plan: Plan
    created: datetime
    backend: Backend
    settings: Settings
    previous: str | None = None
    """The version that this one replaced, if this object comes from deploying."""
    previous_schedule: Schedule | None = None
    """That of the version that this one replaced."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, version={self.version!r})"

    @property
    def flow(self) -> str:
        return self._annotation(Annotations.FLOW)

    @property
    def version(self) -> str:
        return self._annotation(Annotations.VERSION)

    @property
    def deployer(self) -> str:
        return self._annotation(Annotations.DEPLOYER)

    @property
    def schedule(self) -> Schedule | None:
        return self.plan.schedule

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """As the flow declared them, with the defaults that were computed when it was deployed."""
        return parameters_of_plan(self.plan)

    def _annotation(self, name: str) -> str:
        return self.plan.annotations.get(name, "")

    def trigger(self, **parameters: object) -> TriggeredRun:
        """Start a run; parameters as values (``-`` in a name written as ``_``), the others at their defaults."""
        return self.trigger_texts(to_texts(self.parameters, parameters))

    def trigger_texts(self, parameters: Mapping[str, str]) -> TriggeredRun:
        """Start a run; parameters as a person would type them."""
        _check_texts(self.plan, parameters)
        run = self.backend.trigger(self.name, parameters)
        return TriggeredRun(run_id=run, flow=self.flow, backend=self.backend, settings=self.settings)

    def delete(self) -> None:
        """Remove the deployment and its schedule; runs in flight go on."""
        self.backend.delete(self.name)


@dataclass(frozen=True, kw_only=True)
class TriggeredRun:
    """A run of a deployment, from the moment that it was asked for."""

    run_id: str
    flow: str
    backend: Backend
    settings: Settings

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.pathspec!r})"

    @property
    def pathspec(self) -> str:
        return f"{self.flow}/{self.run_id}"

    @property
    def status(self) -> RunStatus:
        return self.backend.run(self.run_id)

    @property
    def run(self) -> Run | None:
        """The run as the Client sees it; None until its first task has begun."""
        return client_run(self.flow, self.run_id, self.settings)

    def wait(self, timeout: float | None = None, *, check: bool = True) -> Run:
        """Wait for the end and return the run; `TimeoutError` after *timeout* seconds.

        `RunFailedError` if the run did not succeed; without *check* it is returned however it ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (status := self.status).phase.is_final:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"run {self.run_id} has not ended after {timeout} seconds; it is {status.phase}")
            time.sleep(POLL_SECONDS)
        record_end(status, self.settings)
        run = self.run
        if run is None:
            raise RunFailedError(f"run {self.run_id} ended before its first task: {status.phase}: {status.message}")
        return succeeded(run, self.settings) if check else run

    def terminate(self) -> None:
        """End the run now."""
        self.backend.terminate(self.run_id)


def deploy(
    flow: FlowLike,
    *,
    max_workers: int = DEPLOYED_WORKERS,
    name: str | None = None,
    with_: Sequence[str] = (),
    tags: Sequence[str] = (),
    package_suffixes: Sequence[str] = (),
    settings: Settings | None = None,
    tell: Tell = silent,
) -> Deployed:
    """Make the flow the newest version of its deployment; runs in flight keep the version that they started with.

    *package_suffixes* are those of the files that the code package holds besides ``.py``; by default as is set.
    """
    settings = settings or Settings.load()
    if package_suffixes:
        settings = replace(settings, package_suffixes=",".join(package_suffixes))
    choices = Choices(max_workers=max_workers, name=name, tags=tuple(tags))
    return deploy_checked(check_flow(flow, with_=with_), choices, settings, tell)


def deploy_checked(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell = silent) -> Deployed:
    """Compile, upload the code package and hand the Plan to the backend, unless another flow has its name there."""
    tell(f"{flow.name}: {len(flow.graph.order)} steps checked")
    compiled = compile_flow(flow, choices, settings)
    backend = open_backend(settings)
    replaced = _replaced(backend, compiled)
    refuse_unreachable_store(compiled, settings)
    upload(compiled.store, compiled.package)
    tell(describe_package(compiled))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    plan = compiled.plan
    backend.deploy(replace(plan, annotations={**plan.annotations, Annotations.DEPLOYED_AT: now}))
    if settings.backend == "embedded" and (wishes := not_honoured(plan)):
        tell(f"the embedded engine runs steps as processes of this machine, without {', '.join(wishes)}")
    made = _deployed(backend.deployment(plan.name), backend, settings)
    if replaced is None:
        return made
    version = replaced.annotations.get(Annotations.VERSION)
    return replace(made, previous=version, previous_schedule=replaced.schedule)


def deployed(name: str, settings: Settings | None = None) -> Deployed:
    """The deployment of that name; `NotDeployedError` if there is none."""
    settings = settings or Settings.load()
    backend = open_backend(settings)
    return _deployed(backend.deployment(name), backend, settings)


def deployments(settings: Settings | None = None) -> list[Deployed]:
    """All deployments of the backend, by name."""
    settings = settings or Settings.load()
    backend = open_backend(settings)
    return [_deployed(deployment, backend, settings) for deployment in backend.deployments()]


def refuse_unreachable_store(compiled: Compiled, settings: Settings) -> None:
    """A directory of this machine is of no use to the pods of a cluster."""
    if settings.backend != "embedded" and "://" not in compiled.store.uri:
        raise BackendError(
            f"the datastore {compiled.store.uri} is a directory of this machine, which pods of a cluster cannot read; "
            "give a bucket with --datastore s3://BUCKET/PREFIX or MFHERA_DATASTORE"
        )


def _replaced(backend: Backend, compiled: Compiled) -> Plan | None:
    """What is deployed under the name now; it must be the same flow."""
    try:
        plan = backend.deployment(compiled.plan.name).plan
    except NotDeployedError:
        return None
    owner = plan.annotations.get(Annotations.FLOW, "")
    if owner != compiled.flow.name:
        name = compiled.plan.name
        raise BackendError(
            f"the name {name!r} belongs to the deployed flow {owner or 'of somebody else'}; give another --name, "
            f"or delete that deployment first: mfhera delete {name}"
        )
    return plan


def _deployed(found: BackendDeployment, backend: Backend, settings: Settings) -> Deployed:
    return Deployed(name=found.name, plan=found.plan, created=found.created, backend=backend, settings=settings)


def _check_texts(plan: Plan, texts: Mapping[str, str]) -> None:
    """`ParameterError` with everything that is wrong with what is given for a run."""
    declared = {parameter.name: parameter for parameter in parameters_of_plan(plan)}
    problems: list[str] = []
    try:
        completed(plan, texts)
    except ParameterError as error:
        problems.append(str(error))
    for name in texts.keys() & declared.keys():
        try:
            declared[name].from_text(texts[name])
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
