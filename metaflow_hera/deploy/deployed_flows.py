"""Flows that are deployed: looked for, started, and changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends import Backend, Deployment
from metaflow_hera.backends.open import open_backend
from metaflow_hera.backends.parameters import completed
from metaflow_hera.deploy.arguments import Arguments, described, parameters_of_plan, to_texts
from metaflow_hera.deploy.production import release
from metaflow_hera.deploy.rights import Lock, Rights
from metaflow_hera.deploy.triggered import TriggeredRun
from metaflow_hera.deploy.versions import DeployedVersion, deployed_at, roll_back, versions
from metaflow_hera.errors import ParameterError, UnknownRunError, UsageError
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.graph.model import Graph
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Plan, Schedule, Triggers
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

IMPLEMENTATION = "argo-workflows"
"""What the peer calls the place that flows are deployed to."""


@dataclass(frozen=True, kw_only=True)
class DeployedFlow:
    """A deployed flow, by its own annotations: triggering it needs no source."""

    name: str
    plan: Plan
    created: datetime
    backend: Backend
    settings: Settings
    replaced: Plan | None = None
    """What it took the place of, if this object comes from deploying."""
    graph: Graph | None = None
    """What was deployed, if this object comes from deploying."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, version={self.version!r})"

    def _repr_html_(self) -> str:
        from metaflow_hera.deploy.displays import deployment_html  # pictures, for notebooks only

        return deployment_html(self)

    @property
    def flow_name(self) -> str:
        return self._annotation(Annotations.FLOW)

    @property
    def version(self) -> str:
        return self._annotation(Annotations.VERSION)

    @property
    def deployer(self) -> str:
        return self._annotation(Annotations.DEPLOYER)

    @property
    def deployed_at(self) -> datetime:
        """When the version was deployed that is live; on a cluster `created` is when the name was deployed first."""
        found = Deployment(name=self.name, plan=self.plan, created=self.created)
        return datetime.fromtimestamp(deployed_at(found), UTC)

    @property
    def previous(self) -> str | None:
        """The version that this one replaced."""
        return self.replaced.annotations.get(Annotations.VERSION) if self.replaced else None

    @property
    def previous_schedule(self) -> Schedule | None:
        """That of the version that this one replaced."""
        return self.replaced.schedule if self.replaced else None

    @property
    def previous_triggers(self) -> Triggers | None:
        return self.replaced.triggers if self.replaced else None

    @property
    def schedule(self) -> Schedule | None:
        return self.plan.schedule

    @property
    def triggers(self) -> Triggers | None:
        """The events that start its runs."""
        return self.plan.triggers

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
        arguments = given_arguments(self.plan, parameters)
        if arguments.files:
            arguments.upload(open_store(self.metadata, self.settings))
        return self._run(self.backend.trigger(self.name, arguments.texts))

    def delete(self, authorize: str | None = None) -> bool:
        """Remove the deployment and its schedule; runs in flight go on."""
        found = _of_any_version(self.name, self.backend)
        self._rights(authorize).require(Lock.of(found.plan), "deleting it")
        self.backend.delete(self.name)
        release(found, self.backend, self.settings)
        return True

    def versions(self, limit: int | None = None) -> list[DeployedVersion]:
        """The versions that it had, each once: the live one, and then that which was deployed last first."""
        return versions(self.backend.deployment(self.name), self.backend, self.settings, limit)

    def rollback(self, version: str | None = None, authorize: str | None = None) -> DeployedFlow:
        """Deploy an earlier version anew, by default the one before; the deployment as it is then.

        Code, parameters, schedule and triggers are those of that version; runs in flight keep theirs.
        """
        found = self.backend.deployment(self.name)
        self._rights(authorize).require(Lock.of(found.plan), "rolling it back")
        roll_back(found, self.backend, self.settings, version)
        made = _deployed(self.backend.deployment(self.name), self.backend, self.settings)
        return replace(made, replaced=found.plan)

    def _rights(self, token: str | None) -> Rights:
        return Rights(settings=self.settings, given=token)

    @property
    def metadata(self) -> str:
        """Where its runs are recorded: what ``from_deployment(…, metadata=)`` takes."""
        return self._annotation(Annotations.DATASTORE)

    @property
    def production_namespace(self) -> str:
        """Its runs have this, after ``production:``, as a tag; everybody may know it."""
        return self._annotation(Annotations.PRODUCTION)

    @property
    def production_token(self) -> str | None:
        """The secret by which others than its owner may change it; None where it is not kept."""
        return self._rights(None).token_of(Lock.of(self.plan))

    @property
    def workflow_template(self) -> dict[str, Any]:
        """The manifest of its WorkflowTemplate."""
        return next(each for each in manifests(self.plan) if each["kind"] == "WorkflowTemplate")

    @classmethod
    def from_deployment(cls, identifier: str, metadata: str | None = None, impl: str = IMPLEMENTATION) -> DeployedFlow:
        """What is deployed under that name, without its source; `NotDeployedError` if nothing is."""
        return deployed(identifier, _settings(metadata, impl))

    @classmethod
    def list_deployed_flows(cls, flow_name: str | None = None, impl: str = IMPLEMENTATION) -> Iterator[DeployedFlow]:
        """All deployments, or those of one flow, by name."""
        every = deployments(_settings(None, impl))
        return (found for found in every if flow_name in (None, found.flow_name))

    @classmethod
    def get_triggered_run(
        cls, identifier: str, run_id: str, metadata: str | None = None, impl: str = IMPLEMENTATION
    ) -> TriggeredRun:
        """A run of the deployment of that name; `UnknownRunError` if there is none of that id."""
        found = deployed(identifier, _settings(metadata, impl))
        if found.backend.run(run_id).deployment != found.name:
            raise UnknownRunError(f"run {run_id} is none of {identifier}; see `mfhera runs {identifier}`")
        return found._run(run_id)

    from_argo_workflows = from_deployment
    list_argo_workflows = list_deployed_flows
    get_triggered_argo_workflows_run = get_triggered_run

    def _run(self, run_id: str) -> TriggeredRun:
        return TriggeredRun(
            run_id=run_id, name=self.name, flow=self.flow_name, backend=self.backend, settings=self.settings
        )


def deployed(name: str, settings: Settings | None = None) -> DeployedFlow:
    """The deployment of that name; `NotDeployedError` if there is none."""
    settings = settings or Settings.load()
    backend = open_backend(settings)
    return _deployed(backend.deployment(name), backend, settings)


def deployed_by_any_version(name: str, settings: Settings) -> DeployedFlow:
    """The same, also of what this metaflow-hera cannot read: that tells what its annotations do, and can be deleted."""
    backend = open_backend(settings)
    return _deployed(_of_any_version(name, backend), backend, settings)


def _of_any_version(name: str, backend: Backend) -> Deployment:
    listed = next((each for each in backend.deployments() if each.name == name), None)
    return listed or backend.deployment(name)


def deployments(settings: Settings | None = None) -> list[DeployedFlow]:
    """All deployments of the backend, by name."""
    settings = settings or Settings.load()
    backend = open_backend(settings)
    return [_deployed(deployment, backend, settings) for deployment in backend.deployments()]


def _settings(metadata: str | None, impl: str) -> Settings:
    if impl != IMPLEMENTATION:
        raise UsageError(f"flows are deployed to {IMPLEMENTATION!r} here, not to {impl!r}")
    return Settings.load({"datastore": metadata.removeprefix("local@") if metadata else None})


def _deployed(found: Deployment, backend: Backend, settings: Settings) -> DeployedFlow:
    return DeployedFlow(name=found.name, plan=found.plan, created=found.created, backend=backend, settings=settings)


def given_arguments(plan: Plan, given: Mapping[str, str]) -> Arguments:
    """What is given for a run, and its files; `ParameterError` with everything that is wrong with it."""
    declared = {parameter.name: parameter for parameter in parameters_of_plan(plan)}
    problems: list[str] = []
    arguments = described(tuple(declared.values()), given, problems)
    try:
        completed(plan, arguments.texts)
    except ParameterError as error:
        problems.append(str(error))
    for name in given.keys() & declared.keys():
        try:
            declared[name].from_text(arguments.texts[name])
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    return arguments
