"""A Plan as Hera objects. Importing this module imports Hera, which takes a second."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from hera.shared import global_config
from hera.workflows import DAG, Container, CronWorkflow, Step, Steps, Task, WorkflowTemplate
from hera.workflows import models as m

from metaflow_hera.argo import fixed
from metaflow_hera.argo.expressions import escape_dollars, render_depends, render_duration, render_when
from metaflow_hera.argo.program import ANNOTATION, render_command, shared_program
from metaflow_hera.argo.sensor import to_sensor
from metaflow_hera.argo.starting import beginnings
from metaflow_hera.errors import ManifestError
from metaflow_hera.naming import POD_DIR
from metaflow_hera.plan import records
from metaflow_hera.plan.text import PARAMETERS_AS_BASE64, Text, render

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")


def to_workflow_template(plan: records.Plan) -> WorkflowTemplate:
    """The flow as a Hera WorkflowTemplate of DAGs, Tasks and Containers, for whoever wants to change it."""
    with _nothing_inherited():
        return contextvars.Context().run(_workflow_template, plan)  # a caller's open `with` is not ours


def to_cron_workflow(plan: records.Plan) -> CronWorkflow | None:
    """The flow's schedule as a Hera CronWorkflow, None if it has none."""
    if plan.schedule is None:
        return None
    with _nothing_inherited():
        return contextvars.Context().run(_cron_workflow, plan, plan.schedule)


def to_manifests(plan: records.Plan) -> list[dict[str, Any]]:
    """The WorkflowTemplate and, if the flow starts by itself, CronWorkflow and Sensor, as Kubernetes takes them."""
    objects = (to_workflow_template(plan), to_cron_workflow(plan))
    with _nothing_inherited():
        documents = [hera_object.to_dict() for hera_object in objects if hera_object is not None]
    return [*documents, *filter(None, [to_sensor(plan)])]


@contextmanager
def _nothing_inherited() -> Iterator[None]:
    """Hera without the defaults and hooks that somebody may have set for the objects of their own."""
    kept = dict(vars(global_config))
    global_config.reset()
    try:
        yield
    finally:
        vars(global_config).clear()
        vars(global_config).update(kept)


def _workflow_template(plan: records.Plan) -> WorkflowTemplate:
    program = shared_program(plan)
    return WorkflowTemplate(
        name=plan.name,
        namespace=plan.namespace or None,
        labels=_sorted(plan.labels),
        annotations=_sorted({**plan.annotations, **beginnings(plan)}),
        entrypoint=plan.entrypoint,
        on_exit=plan.on_exit or None,
        arguments=m.Arguments(parameters=[_argument(parameter) for parameter in plan.parameters])
        if plan.parameters
        else None,
        service_account_name=plan.service_account or None,
        active_deadline_seconds=plan.deadline,
        priority=plan.priority,
        ttl_strategy=_ttl(plan.ttl) if plan.ttl else None,
        pod_gc=m.PodGC(strategy=plan.pod_gc) if plan.pod_gc else None,
        workflow_metadata=_workflow_metadata(plan, program),
        templates=[_template(template, program) for template in plan.templates],
    )


def _ttl(ttl: records.Ttl) -> m.TTLStrategy:
    return m.TTLStrategy(
        seconds_after_completion=ttl.completion,
        seconds_after_success=ttl.success,
        seconds_after_failure=ttl.failure,
    )


def _workflow_metadata(plan: records.Plan, program: str) -> m.WorkflowMetadata | None:
    """What every Workflow made from the template carries."""
    if not (plan.run_labels or program):
        return None
    annotations = {ANNOTATION: escape_dollars(program)} if program else None
    return m.WorkflowMetadata(labels=_sorted(plan.run_labels), annotations=annotations)


def _cron_workflow(plan: records.Plan, schedule: records.Schedule) -> CronWorkflow:
    return CronWorkflow(
        name=plan.name,
        namespace=plan.namespace or None,
        labels=_sorted(plan.labels),
        schedules=[schedule.cron],
        timezone=schedule.timezone,
        concurrency_policy=schedule.concurrency.value,
        starting_deadline_seconds=schedule.starting_deadline,
        successful_jobs_history_limit=schedule.successful_runs,
        failed_jobs_history_limit=schedule.failed_runs,
        workflow_template_ref=m.WorkflowTemplateRef(name=plan.name),
    )


def _argument(parameter: records.Parameter) -> m.Parameter:
    return m.Parameter(name=parameter.name, value=parameter.value, description=parameter.description or None)


def _template(template: records.Template, program: str) -> DAG | Steps | Container:
    match template:
        case records.Dag():
            return _dag(template)
        case records.Steps():
            return _steps(template)
        case records.Container():
            return _container(template, program)


def _dag(dag: records.Dag) -> DAG:
    return DAG(
        name=dag.name,
        inputs=_inputs(dag.inputs),
        parallelism=dag.parallelism,
        tasks=[_task(task) for task in dag.tasks],
    )


def _task(task: records.Task) -> Task:
    return Task(
        name=task.name,
        template=task.template,
        depends=render_depends(task.depends) if task.depends else None,
        when=render_when(task.when) if task.when else None,
        with_sequence=m.Sequence(count=render(task.count)) if task.count else None,  # type: ignore[arg-type]
        arguments=_arguments(task.arguments),
    )


def _steps(steps: records.Steps) -> Steps:
    return Steps(name=steps.name, parallelism=steps.parallelism, sub_steps=[_step(task) for task in steps.tasks])


def _step(task: records.Task) -> Step:
    return Step(
        name=task.name,
        template=task.template,
        when=render_when(task.when) if task.when else None,
        with_items=[*task.items] or None,
        arguments=_arguments(task.arguments),
        continue_on=_model(m.ContinueOn, fixed.FORGIVEN) if task.is_forgiven else None,
    )


def _arguments(arguments: tuple[tuple[str, Text], ...]) -> m.Arguments | None:
    parameters = [m.Parameter(name=name, value=render(value)) for name, value in arguments]
    return m.Arguments(parameters=parameters) if parameters else None


def _container(container: records.Container, program: str) -> Container:
    return Container(
        name=container.name,
        image=container.image,
        image_pull_policy=container.image_pull_policy or None,
        command=render_command(container.command, program),
        args=[escape_dollars(render(word)) for word in container.args] or None,
        env=[m.EnvVar(name=name, value=escape_dollars(value)) for name, value in sorted(container.env.items())] or None,
        env_from=_env_from(container),
        resources=_resources(container),
        ports=[m.ContainerPort(container_port=port) for port in container.ports] or None,
        security_context=_model(m.SecurityContext, container.security_context) if container.security_context else None,
        inputs=_inputs(container.inputs, container.parameters_file),
        outputs=_outputs(container.outputs),
        retry_strategy=_retry(container.retry) if container.retry else None,
        active_deadline_seconds=container.deadline,
        service_account_name=container.service_account or None,
        node_selector=_sorted(container.node_selector),
        tolerations=[_model(m.Toleration, toleration) for toleration in container.tolerations] or None,
        pod_spec_patch=_pod_spec_patch(container.image_pull_secrets),
        volumes=[_volume(volume, number) for number, volume in enumerate(container.volumes)] or None,
        volume_mounts=[
            m.VolumeMount(name=fixed.volume_name(volume, number), mount_path=volume.path)
            for number, volume in enumerate(container.volumes)
        ]
        or None,
        labels=_sorted(container.labels),
        annotations=_sorted(container.annotations),
    )


def _env_from(container: records.Container) -> list[m.EnvFromSource] | None:
    sources = [
        *(m.SecretEnvSource(name=name) for name in container.secrets),
        *(m.SecretEnvSource(name=name, optional=True) for name in container.optional_secrets),
    ]
    return [m.EnvFromSource(secret_ref=source) for source in sources] or None


def _inputs(names: tuple[str, ...], parameters_file: str = "") -> m.Inputs | None:
    parameters = [m.Parameter(name=name) for name in names]
    artifacts = [
        m.Artifact(
            name=fixed.PARAMETERS_ARTIFACT, path=f"{POD_DIR}/{file}", raw=m.RawArtifact(data=PARAMETERS_AS_BASE64)
        )
        for file in (parameters_file,)
        if file
    ]
    return m.Inputs(parameters=parameters or None, artifacts=artifacts or None) if parameters or artifacts else None


def _outputs(outputs: tuple[tuple[str, str], ...]) -> m.Outputs | None:
    parameters = [m.Parameter(name=name, value_from=m.ValueFrom(path=f"{POD_DIR}/{file}")) for name, file in outputs]
    return m.Outputs(parameters=parameters) if parameters else None


def _resources(container: records.Container) -> m.ResourceRequirements | None:
    if not (container.requests or container.limits):
        return None
    amounts = {"requests": _sorted(container.requests), "limits": _sorted(container.limits)}
    return _model(m.ResourceRequirements, amounts)


def _retry(retry: records.Retry) -> m.RetryStrategy:
    """`Always`, as a pod that its node lost is an Error and no Failure."""
    return _model(
        m.RetryStrategy,
        {
            "limit": str(retry.limit),
            "retryPolicy": fixed.RETRY_POLICY,
            "backoff": {"duration": render_duration(retry.backoff)} if retry.backoff else None,
        },
    )


def _volume(volume: records.Volume, number: int) -> m.Volume:
    name = fixed.volume_name(volume, number)
    match volume:
        case records.EmptyDir():
            source = {"medium": volume.medium or None, "sizeLimit": volume.size or None}
            return _model(m.Volume, {"name": name, "emptyDir": source})
        case records.Claim():
            return _model(m.Volume, {"name": name, "persistentVolumeClaim": {"claimName": volume.name}})


def _pod_spec_patch(image_pull_secrets: tuple[str, ...]) -> str | None:
    """The one way to give a single template its own pull secrets."""
    if not image_pull_secrets:
        return None
    return json.dumps({"imagePullSecrets": [{"name": name} for name in image_pull_secrets]}, separators=(",", ":"))


def _model(model: type[M], values: Mapping[str, object]) -> M:
    """A model of Hera's from Kubernetes' own words; what it has no field for is refused, where Hera would drop it."""
    made = model.model_validate(values)
    lost = values.keys() - {field.alias or name for name, field in model.model_fields.items()}
    if lost:
        raise ManifestError(f"{model.__name__} has no field {sorted(lost)}")
    return made


def _sorted(mapping: Mapping[str, str]) -> dict[str, str] | None:
    return dict(sorted(mapping.items())) or None
