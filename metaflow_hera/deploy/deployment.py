"""Deploying flows, and starting runs of what is deployed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.backends import Backend
from metaflow_hera.backends import Deployment as BackendDeployment
from metaflow_hera.backends.embedded import not_honoured
from metaflow_hera.backends.open import open_backend
from metaflow_hera.backends.parameters import completed
from metaflow_hera.deploy.arguments import Arguments, described, parameters_of_plan, to_texts
from metaflow_hera.deploy.choices import DEPLOYED_WORKERS, Choices
from metaflow_hera.deploy.compilation import Compiled, compile_flow, describe_package
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.promises import without_effect
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.deploy.triggered import TriggeredRun, refuse_token
from metaflow_hera.errors import BackendError, NotDeployedError, ParameterError, UnknownRunError, UsageError
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import Annotations
from metaflow_hera.plan.records import Plan, Schedule
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
    previous: str | None = None
    """The version that this one replaced, if this object comes from deploying."""
    previous_schedule: Schedule | None = None
    """That of the version that this one replaced."""
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
        arguments = _arguments(self.plan, parameters)
        if arguments.files:
            arguments.upload(open_store(self.metadata, self.settings))
        return self._run(self.backend.trigger(self.name, arguments.texts))

    def delete(self, authorize: str | None = None) -> bool:
        """Remove the deployment and its schedule; runs in flight go on."""
        refuse_token(authorize)
        self.backend.delete(self.name)
        return True

    @property
    def metadata(self) -> str:
        """Where its runs are recorded: what ``from_deployment(…, metadata=)`` takes."""
        return self._annotation(Annotations.DATASTORE)

    @property
    def production_token(self) -> str | None:
        """None: whoever may deploy may replace it."""
        return None

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


def deploy(
    flow: FlowLike,
    *,
    max_workers: int = DEPLOYED_WORKERS,
    name: str | None = None,
    with_: Sequence[str] = (),
    tags: Sequence[str] = (),
    package_suffixes: Sequence[str] = (),
    config: Mapping[str, str | Path] | None = None,
    config_value: Mapping[str, object] | None = None,
    branch: str | None = None,
    production: bool = False,
    settings: Settings | None = None,
    tell: Tell = silent,
) -> DeployedFlow:
    """Make the flow the newest version of its deployment; runs in flight keep the version that they started with.

    Configs are given by name, as files or as values: all runs of the version have them. *branch* and *production* are
    for flows of a project. *package_suffixes* are those of
    the files that the code package holds besides ``.py``; by default as is set.
    """
    settings = settings or Settings.load()
    if package_suffixes:
        settings = replace(settings, package_suffixes=",".join(package_suffixes))
    choices = Choices(max_workers=max_workers, name=name, tags=tuple(tags))
    checked = check_flow(flow, with_=with_, launch=LaunchOptions.of(config, config_value, branch, production))
    return deploy_checked(checked, choices, settings, tell)


def deploy_checked(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell = silent) -> DeployedFlow:
    """Compile, upload the code package and hand the Plan to the backend, unless another flow has its name there."""
    compiled, planned = _planned(flow, choices, settings, tell)
    compiled.upload()
    tell(describe_package(compiled))
    planned.backend.deploy(planned.plan)
    found = planned.backend.deployment(planned.name)
    return replace(planned, plan=found.plan, created=found.created)


def check_deployment(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell = silent) -> DeployedFlow:
    """All that `deploy_checked` refuses, and what it would make; nothing is written, neither there nor in the store."""
    compiled, planned = _planned(flow, choices, settings, tell)
    compiled.store.head(compiled.package.key)  # whether it can be reached
    if settings.backend == "argo":
        tell("whether you may write what was checked, the Argo Server tells only when it is written")
    return planned


def _planned(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell) -> tuple[Compiled, DeployedFlow]:
    """What would be deployed, once the backend has nothing against it."""
    tell(f"{flow.name}: {len(flow.graph.order)} steps checked")
    compiled = compile_flow(flow, choices, settings)
    backend = open_backend(settings)
    replaced = _replaced(backend, compiled)
    refuse_unreachable_store(compiled, settings)
    now = datetime.now(UTC)
    stamp = {Annotations.DEPLOYED_AT: now.isoformat(timespec="seconds")}
    plan = replace(compiled.plan, annotations={**compiled.plan.annotations, **stamp})
    backend.check(plan)
    for sentence in without_effect(flow):
        tell(sentence)
    if settings.backend == "embedded" and (wishes := not_honoured(plan)):
        tell(f"the embedded engine runs steps as processes of this machine, without {', '.join(wishes)}")
    return compiled, DeployedFlow(
        name=plan.name,
        plan=plan,
        created=now,
        backend=backend,
        settings=settings,
        graph=flow.graph,
        previous=replaced.annotations.get(Annotations.VERSION) if replaced else None,
        previous_schedule=replaced.schedule if replaced else None,
    )


def deployed(name: str, settings: Settings | None = None) -> DeployedFlow:
    """The deployment of that name; `NotDeployedError` if there is none."""
    settings = settings or Settings.load()
    backend = open_backend(settings)
    return _deployed(backend.deployment(name), backend, settings)


def deployments(settings: Settings | None = None) -> list[DeployedFlow]:
    """All deployments of the backend, by name."""
    settings = settings or Settings.load()
    backend = open_backend(settings)
    return [_deployed(deployment, backend, settings) for deployment in backend.deployments()]


def _settings(metadata: str | None, impl: str) -> Settings:
    if impl != IMPLEMENTATION:
        raise UsageError(f"flows are deployed to {IMPLEMENTATION!r} here, not to {impl!r}")
    return Settings.load({"datastore": metadata.removeprefix("local@") if metadata else None})


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
    owner = _owner(plan)
    if owner != _owner(compiled.plan):
        name = compiled.plan.name
        raise BackendError(
            f"the name {name!r} belongs to the deployed flow {owner or 'of somebody else'}; give another --name, "
            f"or delete that deployment first: mfhera delete {name}"
        )
    return plan


def _owner(plan: Plan) -> str:
    """The flow behind a deployment, with its project and branch if it has one."""
    names = (Annotations.PROJECT, Annotations.BRANCH, Annotations.FLOW)
    return ".".join(filter(None, (plan.annotations.get(name) for name in names)))


def _deployed(found: BackendDeployment, backend: Backend, settings: Settings) -> DeployedFlow:
    return DeployedFlow(name=found.name, plan=found.plan, created=found.created, backend=backend, settings=settings)


def _arguments(plan: Plan, given: Mapping[str, str]) -> Arguments:
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
