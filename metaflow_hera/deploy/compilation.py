"""From a checked flow to its Plan and its code package: everything that can be refused, before anything is written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from metaflow_hera.deploy.arguments import Arguments, default_arguments, describe_parameters, plan_parameters
from metaflow_hera.deploy.cells import module_text
from metaflow_hera.deploy.choices import Choices
from metaflow_hera.deploy.lifecycle import compiled_lifecycle, described
from metaflow_hera.deploy.pod_defaults import pod_defaults
from metaflow_hera.deploy.projects import name_in_argo, prefix_in_production, project_of_flow
from metaflow_hera.deploy.promises import check_promises
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.deploy.starting import check_beginnings, schedule_of, triggers_of_flow
from metaflow_hera.flow.exit_hooks import hook_groups
from metaflow_hera.labels import INSTANCE_LABEL, Annotations
from metaflow_hera.package import CodePackage, NotebookSource, build, upload
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Plan
from metaflow_hera.production_names import production_namespace
from metaflow_hera.records import tags
from metaflow_hera.runtime.bootstrap import COMMAND
from metaflow_hera.settings import Settings, variable
from metaflow_hera.store import Store, open_store


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """A Plan and what it needs in the store."""

    flow: CheckedFlow
    plan: Plan
    package: CodePackage
    store: Store
    defaults: Arguments
    """Of the parameters that need not be given."""

    def upload(self) -> None:
        """Put into the store what containers need from there."""
        upload(self.store, self.package)
        self.defaults.upload(self.store)

    @property
    def version(self) -> str:
        return self.plan.annotations[Annotations.VERSION]


def compile_flow(flow: CheckedFlow, choices: Choices, settings: Settings) -> Compiled:
    """Evaluate deploy-time functions, package the code and compile; nothing is written."""
    name = name_in_argo(flow.name, flow.graph.decorators, choices.name, settings.user)
    check_promises(flow)
    if choices.starts_by_itself:
        check_beginnings(flow)
    tags.check(choices.tags)
    store = open_store(settings.datastore, settings)
    package = package_flow(flow, settings)
    defaults = default_arguments(flow, settings)
    parameters = plan_parameters(flow, defaults.texts)
    project = project_of_flow(flow.graph.decorators, settings.user)
    options = CompileOptions(
        name=name,
        file=package.flow_file,
        store=store.uri,
        image=settings.image,
        command=COMMAND,
        code=package.key,
        namespace=settings.namespace,
        service_account=settings.service_account,
        secrets=settings.secrets_of_pods,
        env=environment_of_pods(settings),
        max_workers=choices.max_workers,
        decorators=flow.decorators,
        user=settings.user,
        tags=choices.tags,
        production=choices.production,
        user_namespace=choices.namespace,
        parameters=parameters,
        schedule=schedule_of(flow) if choices.starts_by_itself else None,
        started_by=triggers_of_flow(flow, parameters, settings) if choices.starts_by_itself else None,
        project=(project.name, project.branch) if project else None,
        publishes=choices.publishes,
        annotations={**described(choices.lifecycle, flow, settings.user), **_annotations(flow, settings)},
        labels=instance_labels(settings),
        hooks=hook_groups(flow.flow_class),
        pod=pod_defaults(settings),
        **compiled_lifecycle(choices.lifecycle, settings),
    )
    plan = compile_plan(flow.graph, options)
    plan = replace(plan, annotations={**plan.annotations, Annotations.VERSION: version_of(plan)})
    return Compiled(flow=flow, plan=plan, package=package, store=store, defaults=defaults)


def prefix_of_flow(flow: CheckedFlow, choices: Choices, settings: Settings) -> str:
    """What the production namespaces of the flow's deployment begin with."""
    return prefix_in_production(flow.name, flow.graph.decorators, choices.name, settings.user)


def in_first_namespace(flow: CheckedFlow, choices: Choices, settings: Settings) -> Choices:
    """The choices for manifests of a deployment that nobody looked for: those of one without a changed token."""
    return replace(choices, production=production_namespace(prefix_of_flow(flow, choices, settings)))


def instance_labels(settings: Settings) -> dict[str, str]:
    """What tells a controller that has an instance id which objects are its own."""
    return {INSTANCE_LABEL: settings.argo_instance_id} if settings.argo_instance_id else {}


def _annotations(flow: CheckedFlow, settings: Settings) -> dict[str, str]:
    known = {Annotations.PARAMETERS: describe_parameters(flow.parameters)}
    if project := project_of_flow(flow.graph.decorators, settings.user):
        known |= {Annotations.PROJECT: project.name, Annotations.BRANCH: project.branch}
    return known


def package_flow(flow: CheckedFlow, settings: Settings) -> CodePackage:
    """The code package of a flow; nothing is written."""
    source = _source(flow)
    folder = source.parent if isinstance(source, Path) else source.folder
    return build(
        source,
        settings.suffixes_of_packages(folder),
        exclude=own_folders(settings),
        launch=flow.launch,
        flow_class=flow.flow_class,
    )


def _source(flow: CheckedFlow) -> Path | NotebookSource:
    if flow.file:
        return flow.file
    return NotebookSource(file=flow.file_name, text=module_text(flow.flow_class), folder=Path.cwd())


def own_folders(settings: Settings) -> tuple[Path, ...]:
    """Folders of ours that may lie beside a flow and do not belong into its package."""
    is_folder = "://" not in settings.datastore
    return (Path(settings.data_dir), *((Path(settings.datastore),) if is_folder else ()))


def version_of(plan: Plan) -> str:
    """A short digest of a Plan: two deployments of one version do the same."""
    return hashlib.sha256(repr(plan).encode()).hexdigest()[:10]


def environment_of_pods(settings: Settings) -> dict[str, str]:
    """How pods reach the bucket and where their own data in S3 is; and where they publish events."""
    endpoint = settings.pod_s3_endpoint_url or settings.s3_endpoint_url
    of_s3 = {
        variable("s3_endpoint_url"): endpoint,
        variable("s3_region"): settings.s3_region,
        variable("datatools_s3root"): settings.datatools_s3root,
    }
    is_s3_used = settings.datastore.startswith("s3://") or settings.datatools_s3root
    known = {variable("events_url"): settings.pod_events_url or settings.events_url, **(of_s3 if is_s3_used else {})}
    return {name: value for name, value in known.items() if value}


def describe_package(compiled: Compiled) -> str:
    """A sentence about the code package."""
    package = compiled.package
    told = f"code package {package.digest[:10]}: {len(package.files)} files, {len(package.data) / 1024:,.0f} KiB"
    return f"{told} in {compiled.store.uri}" + (f"; {package.notice}" if package.notice else "")
