"""Deploying flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

from metaflow_hera.backends import Deployment
from metaflow_hera.backends.embedded import not_honoured
from metaflow_hera.backends.open import open_backend
from metaflow_hera.config_files import project_table
from metaflow_hera.default_settings import DEPLOYED_WORKERS
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.compilation import Compiled, compile_flow, describe_package
from metaflow_hera.deploy.deployed_flows import DeployedFlow
from metaflow_hera.deploy.ground import look_for
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.lifecycle import Lifecycle, LifecycleOptions
from metaflow_hera.deploy.production import Standing, claim
from metaflow_hera.deploy.source import CheckedFlow, FlowLike, check_flow
from metaflow_hera.deploy.starting import check_for_cluster
from metaflow_hera.deploy.telling import Tell, silent
from metaflow_hera.deploy.tokens import KEEP_TOKEN, TokenChoices
from metaflow_hera.deploy.versions import keep
from metaflow_hera.errors import BackendError
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings


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
    namespace: str | None = None,
    authorize: str | None = None,
    generate_new_token: bool = False,
    new_token: str | None = None,
    settings: Settings | None = None,
    tell: Tell = silent,
    **lifecycle: Unpack[LifecycleOptions],
) -> DeployedFlow:
    """Make the flow the newest version of its deployment; runs in flight keep the version that they started with.

    Configs are given by name, as files or as values: all runs of the version have them. *branch* and *production* are
    for flows of a project. *package_suffixes* are those of the files that the code package holds besides ``.py``; by
    default as is set. *namespace* is what the flow's code sees of other runs: those with this tag. *authorize* is the
    production token of a deployment that somebody else made; a new token, generated or given, makes a new namespace.
    *lifecycle* are the options of the same names: ``workflow_timeout``, ``ttl``, ``pod_gc``, ``notify_on_error`` …
    """
    settings = settings or Settings.load()
    if package_suffixes:
        settings = replace(settings, package_suffixes=",".join(package_suffixes))
    tokens = TokenChoices(authorize=authorize, generate=generate_new_token, new=new_token)
    choices = Choices(
        max_workers=max_workers,
        name=name,
        tags=tuple(tags),
        namespace=namespace or "",
        lifecycle=Lifecycle.of(**lifecycle),
    )
    checked = check_flow(flow, with_=with_, launch=LaunchOptions.of(config, config_value, branch, production))
    return deploy_checked(checked, choices, settings, tell, tokens=tokens)


@dataclass(frozen=True)
class _Planned:
    """A deployment that nothing speaks against, before anything is written."""

    compiled: Compiled
    ground: Standing
    flow: DeployedFlow
    """As it would be."""


def deploy_checked(
    flow: CheckedFlow,
    choices: Choices,
    settings: Settings,
    tell: Tell = silent,
    *,
    tokens: TokenChoices = KEEP_TOKEN,
) -> DeployedFlow:
    """Compile, upload the code package and hand the Plan to the backend.

    Nothing is written if another flow has its name there, or if it is the deployment of somebody else.
    """
    planned = _planned(flow, choices, settings, tell, tokens)
    standing = claim(planned.ground, tell)
    planned.compiled.upload()
    tell(describe_package(planned.compiled))
    made = planned.flow
    plan = replace(made.plan, annotations={**made.plan.annotations, **standing})
    if planned.ground.replaced is not None:
        keep(planned.ground.replaced, made.backend, planned.compiled.store)
    made.backend.deploy(plan)
    keep(Deployment(name=plan.name, plan=plan, created=made.created), made.backend, planned.compiled.store)
    found = made.backend.deployment(made.name)
    _tell_of_another(plan, found.plan, tell)
    return replace(made, plan=found.plan, created=found.created)


def _tell_of_another(ours: Plan, live: Plan, tell: Tell) -> None:
    """Of two who deploy at once one has the last word, and the other one must know."""
    marks = (Annotations.VERSION, Annotations.DEPLOYED_AT)
    if any(ours.annotations.get(mark) != live.annotations.get(mark) for mark in marks):
        version, other = (plan.annotations.get(Annotations.VERSION, "") for plan in (ours, live))
        who = live.annotations.get(Annotations.DEPLOYER, "somebody")
        tell(f"{who} deployed {live.name} at the same time: version {other} is live, not this one, {version}")


def check_deployment(
    flow: CheckedFlow,
    choices: Choices,
    settings: Settings,
    tell: Tell = silent,
    *,
    tokens: TokenChoices = KEEP_TOKEN,
) -> DeployedFlow:
    """All that `deploy_checked` refuses, and what it would make; nothing is written, neither there nor in the store."""
    planned = _planned(flow, choices, settings, tell, tokens)
    planned.compiled.store.head(planned.compiled.package.key)  # whether it can be reached
    if settings.backend == "argo":
        tell("whether you may write what was checked, the Argo Server tells only when it is written")
    return planned.flow


def _planned(flow: CheckedFlow, choices: Choices, settings: Settings, tell: Tell, tokens: TokenChoices) -> _Planned:
    """What would be deployed, once the backend has nothing against it."""
    tell(f"{flow.name}: {len(flow.graph.order)} steps checked")
    _tell_unused_settings(flow, tell)
    backend = open_backend(settings)
    found = look_for(flow, choices, settings, backend, tokens)
    compiled = compile_flow(flow, replace(choices, production=found.namespace), settings)
    if settings.backend != "embedded":
        check_for_cluster(compiled.plan, settings)
    refuse_unreachable_store(compiled, settings)
    now = datetime.now(UTC)
    stamp = {Annotations.DEPLOYED_AT: now.isoformat(timespec="milliseconds")}
    plan = replace(compiled.plan, annotations={**compiled.plan.annotations, **stamp})
    backend.check(plan)
    tell_not_honoured(plan, settings, tell)
    made = DeployedFlow(
        name=plan.name,
        plan=plan,
        created=now,
        backend=backend,
        settings=settings,
        graph=flow.graph,
        replaced=found.replaced.plan if found.replaced else None,
    )
    return _Planned(compiled, found, made)


def _tell_unused_settings(flow: CheckedFlow, tell: Tell) -> None:
    """Whoever deploys from another folder than that of the flow may expect its settings to count."""
    beside = next(project_table(flow.file.parent), None) if flow.file else None
    here = next(project_table(Path.cwd()), None)
    if beside is not None and beside[1] and (here is None or here[0] != beside[0]):
        counts = f"those of {here[0]} do" if here else "there are none at or above this folder"
        tell(f"the settings in {beside[0]}, beside the flow, do not count here; {counts}")


def tell_not_honoured(plan: Plan, settings: Settings, tell: Tell) -> None:
    """What of the wishes of steps the embedded engine does not grant."""
    if settings.backend == "embedded" and (wishes := not_honoured(plan)):
        tell(f"the embedded engine runs steps as processes of this machine, without {', '.join(wishes)}")


def refuse_unreachable_store(compiled: Compiled, settings: Settings) -> None:
    """A directory of this machine is of no use to the pods of a cluster."""
    if settings.backend != "embedded" and "://" not in compiled.store.uri:
        raise BackendError(
            f"the datastore {compiled.store.uri} is a directory of this machine, which pods of a cluster cannot read; "
            "give a bucket with --datastore s3://BUCKET/PREFIX or MFHERA_DATASTORE"
        )
