"""Templates read back from a manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from metaflow_hera.argo import fixed
from metaflow_hera.argo.expressions import parse_depends, parse_duration, parse_when, unescape_dollars
from metaflow_hera.argo.fields import Fields
from metaflow_hera.argo.program import parse_command
from metaflow_hera.errors import ManifestError
from metaflow_hera.naming import POD_DIR
from metaflow_hera.plan.records import Claim, Container, Dag, EmptyDir, Retry, Steps, Task, Template, Volume
from metaflow_hera.plan.text import PARAMETERS_AS_BASE64, Text, parse


def read_template(template: object, program: str) -> Template:
    """The DAG, Steps or Container behind a template of a manifest, whose commands may refer to *program*."""
    name = template.get("name") if isinstance(template, Mapping) else None
    with Fields(template, f"template {name!r}") as fields:
        if "container" in fields:
            return _container(fields, program)
        if "dag" in fields:
            return _dag(fields)
        if "steps" in fields:
            return _steps(fields)
        raise ManifestError(f"{fields.where}: only container, dag and steps are in our subset of Argo")


def _dag(fields: Fields) -> Dag:
    fields.empty("outputs", "metadata")
    with fields.inner("inputs") as inputs:
        names = _names(inputs)
    with fields.inner("dag") as dag:
        tasks = tuple(_task(task) for task in dag.all_inner("tasks"))
    return Dag(name=fields.text("name"), tasks=tasks, inputs=names, parallelism=fields.number("parallelism"))


def _steps(fields: Fields) -> Steps:
    fields.empty("inputs", "outputs", "metadata")
    groups = fields.items("steps")
    if not groups or not all(isinstance(group, list) and len(group) == 1 for group in groups):
        raise ManifestError(f"{fields.where}: 'steps' must hold steps one after another, not {groups!r}")
    tasks = tuple(_step(Fields(group[0], f"{fields.where}: steps")) for group in groups)
    return Steps(name=fields.text("name"), tasks=tasks, parallelism=fields.number("parallelism"))


def _task(task: Fields) -> Task:
    with task as fields:
        return Task(
            name=fields.text("name"),
            template=fields.text("template"),
            depends=fields.read("depends", parse_depends),
            when=fields.read("when", parse_when),
            count=_count(fields) if "withSequence" in fields else None,
            items=tuple(_index(item, fields.where) for item in fields.items("withItems")),
            arguments=_arguments(fields),
        )


def _step(step: Fields) -> Task:
    """A task of Steps, which alone can be forgiven: with `depends`, a DAG has another way to say that."""
    is_forgiven = "continueOn" in step
    if is_forgiven:
        step.expect("continueOn", fixed.FORGIVEN)
    return replace(_task(step), is_forgiven=is_forgiven)


def _count(fields: Fields) -> Text | None:
    with fields.inner("withSequence") as sequence:
        return sequence.read("count", parse)


def _index(item: object, where: str) -> int:
    if isinstance(item, bool) or not isinstance(item, int) or item < 0:
        raise ManifestError(f"{where}: 'withItems' must hold indexes, not {item!r}")
    return item


def _arguments(fields: Fields) -> tuple[tuple[str, Text], ...]:
    with fields.inner("arguments") as arguments:
        return tuple(_argument(parameter) for parameter in arguments.all_inner("parameters"))


def _argument(parameter: Fields) -> tuple[str, Text]:
    with parameter as fields:
        return fields.text("name"), fields.read("value", parse) or ()


def _names(inputs: Fields) -> tuple[str, ...]:
    names = []
    for parameter in inputs.all_inner("parameters"):
        with parameter as fields:
            names.append(fields.text("name"))
    return tuple(names)


def _container(fields: Fields, program: str) -> Container:
    volumes = _volumes(fields)
    with fields.inner("inputs") as inputs:
        names, parameters_file = _names(inputs), _parameters_file(inputs)
    with fields.inner("metadata") as metadata:
        labels, annotations = metadata.texts("labels"), metadata.texts("annotations")
    with fields.inner("container") as container:
        container.expect("name", "") if "name" in container else None
        requests, limits = _resources(container)
        secrets = [_secret(source) for source in container.all_inner("envFrom")]
        return Container(
            name=fields.text("name"),
            image=container.text("image"),
            command=parse_command([str(word) for word in container.items("command")], program),
            args=tuple(parse(unescape_dollars(str(word))) for word in container.items("args")),
            inputs=names,
            outputs=_outputs(fields),
            parameters_file=parameters_file,
            env=dict(_variable(variable) for variable in container.all_inner("env")),
            secrets=tuple(name for name, is_optional in secrets if not is_optional),
            optional_secrets=tuple(name for name, is_optional in secrets if is_optional),
            requests=requests,
            limits=limits,
            retry=_retry(fields) if "retryStrategy" in fields else None,
            deadline=fields.number("activeDeadlineSeconds"),
            image_pull_policy=container.text("imagePullPolicy", ""),
            image_pull_secrets=fields.read("podSpecPatch", _pull_secrets) or (),
            service_account=fields.text("serviceAccountName", ""),
            node_selector=fields.texts("nodeSelector"),
            tolerations=tuple(dict(toleration) for toleration in fields.items("tolerations")),
            volumes=_mounted(container, volumes),
            security_context=container.mapping("securityContext"),
            ports=tuple(_port(port) for port in container.all_inner("ports")),
            labels=labels,
            annotations=annotations,
        )


def _parameters_file(inputs: Fields) -> str:
    file = ""
    for artifact in inputs.all_inner("artifacts"):
        with artifact as fields:
            fields.expect("name", fixed.PARAMETERS_ARTIFACT)
            fields.expect("raw", {"data": PARAMETERS_AS_BASE64})
            file = _in_pod_dir(fields.text("path"), fields.where)
    return file


def _outputs(fields: Fields) -> tuple[tuple[str, str], ...]:
    outputs = []
    with fields.inner("outputs") as inner:
        for parameter in inner.all_inner("parameters"):
            with parameter as output, output.inner("valueFrom") as source:
                outputs.append((output.text("name"), _in_pod_dir(source.text("path"), output.where)))
    return tuple(outputs)


def _in_pod_dir(path: str, where: str) -> str:
    if not path.startswith(f"{POD_DIR}/"):
        raise ManifestError(f"{where}: the path {path!r} is not below {POD_DIR}")
    return path.removeprefix(f"{POD_DIR}/")


def _variable(variable: Fields) -> tuple[str, str]:
    with variable as fields:
        return fields.text("name"), fields.read("value", unescape_dollars) or ""


def _secret(source: Fields) -> tuple[str, bool]:
    """The Secret's name, and whether it may be missing."""
    with source as fields, fields.inner("secretRef") as reference:
        is_optional = "optional" in reference
        if is_optional:
            reference.expect("optional", True)
        return reference.text("name"), is_optional


def _resources(container: Fields) -> tuple[dict[str, str], dict[str, str]]:
    with container.inner("resources") as resources:
        return resources.texts("requests"), resources.texts("limits")


def _port(port: Fields) -> int:
    with port as fields:
        number = fields.number("containerPort")
        if number is None:
            raise ManifestError(f"{fields.where}: 'containerPort' is missing")
        return number


def _retry(fields: Fields) -> Retry:
    with fields.inner("retryStrategy") as strategy:
        strategy.expect("retryPolicy", fixed.RETRY_POLICY)
        limit = strategy.number("limit")
        if limit is None:
            raise ManifestError(
                f"{strategy.where}: 'limit' is missing, and trying for ever is not in our subset of Argo"
            )
        with strategy.inner("backoff") as backoff:
            return Retry(limit=limit, backoff=backoff.read("duration", parse_duration) or 0)


def _pull_secrets(patch: str) -> tuple[str, ...]:
    try:
        with Fields(json.loads(patch), "the patch") as fields:
            return tuple(_secret_name(secret) for secret in fields.all_inner("imagePullSecrets"))
    except ValueError as error:
        raise ManifestError(f"{patch!r} is not JSON: {error}") from error


def _secret_name(secret: Fields) -> str:
    with secret as fields:
        return fields.text("name")


def _volumes(fields: Fields) -> dict[str, Volume]:
    """The volumes of a template by their names, as yet without the paths where they are mounted."""
    volumes: dict[str, Volume] = {}
    for volume in fields.all_inner("volumes"):
        with volume as source:
            name = source.text("name")
            volumes[name] = _claim(source) if "persistentVolumeClaim" in source else _empty_dir(source, name)
    return volumes


def _claim(source: Fields) -> Claim:
    with source.inner("persistentVolumeClaim") as claim:
        return Claim(name=claim.text("claimName"), path="")


def _empty_dir(source: Fields, name: str) -> EmptyDir:
    if "emptyDir" not in source:
        raise ManifestError(f"{source.where}: only emptyDir and persistentVolumeClaim are in our subset of Argo")
    with source.inner("emptyDir") as empty:
        return EmptyDir(name=name, path="", medium=empty.text("medium", ""), size=empty.text("sizeLimit", ""))


def _mounted(container: Fields, volumes: dict[str, Volume]) -> tuple[Volume, ...]:
    mounted = []
    for mount in container.all_inner("volumeMounts"):
        with mount as fields:
            name = fields.text("name")
            if name not in volumes:
                raise ManifestError(f"{fields.where}: there is no volume {name!r}")
            mounted.append(replace(volumes.pop(name), path=fields.text("mountPath")))
    if volumes:
        raise ManifestError(f"{container.where}: the volumes {', '.join(map(repr, volumes))} are mounted nowhere")
    return tuple(mounted)
