"""The container of a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import NamingError
from metaflow_hera.event_names import END_EVENT, flow_event
from metaflow_hera.flow.decorators import catch, decorator_of, retry, timeout
from metaflow_hera.graph.model import End, Foreach, Graph, Step
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import NEXT_OUTPUT, PARAMETERS_FILE, POD_DIR, POD_DIR_VARIABLE, SPLITS_OUTPUT, output_file
from metaflow_hera.plan.names import PATH, Names
from metaflow_hera.plan.options import CompileOptions
from metaflow_hera.plan.pod import pod_of
from metaflow_hera.plan.records import Claim, Container, EmptyDir, Retry
from metaflow_hera.plan.switches import chooses
from metaflow_hera.plan.text import Input, Retries, Text, parse, render, text
from metaflow_hera.records.codec import encode

POD_VOLUME = EmptyDir(name="pod", path=POD_DIR)
"""Also where the root file system is read-only, or the user is not root, a step can write here."""

DEADLINE_MARGIN = 60
"""Seconds after the alarm in the process: the pod's clock starts before the image is pulled, and state is saved."""


def step_container(step: Step, *, graph: Graph, names: Names, options: CompileOptions) -> Container:
    """The container that runs the tasks of *step*."""
    strategy = _retry(step)
    in_foreach = bool(graph.foreaches(step.name))
    pod = pod_of(step, options)
    command = TaskCommand(
        flow=literal(graph.flow),
        file=literal(options.file),
        step=literal(step.name),
        run=render(options.run),
        path=render(text(Input(PATH))) if in_foreach else "0",
        repeats="yes" if graph.repeats(step.name) else "",
        store=literal(options.store),
        code=literal(options.code),
        attempt=render(text(Retries())) if strategy else "0",
        retries=str(_times(step)),
        decorators=tuple(map(literal, options.decorators)),
        deployment=literal(options.name),
        user=literal(options.user),
        tags=tuple(map(literal, options.tags)),
        production=literal(options.production),
        namespace=literal(options.user_namespace),
        triggers=tuple(map(literal, options.triggers)),
        events=tuple(literal(event) for event in _events(options)) if step.name == graph.start else (),
        publishes=tuple(literal(event) for event in _published(step, graph, options)),
        origin=literal(options.origin),
    )
    return without_tags(
        Container(
            name=names.steps[step.name],
            image=pod.image,
            command=pod.command,
            args=words_of(command.argv()),
            inputs=(PATH,) if in_foreach else (),
            outputs=_outputs(step),
            parameters_file=PARAMETERS_FILE if step.name == graph.start else "",
            env={**pod.env, **options.env_of(options.env), POD_DIR_VARIABLE: POD_DIR},
            secrets=pod.secrets,
            requests=pod.requests,
            limits=pod.limits,
            retry=strategy,
            deadline=None if graph.repeats(step.name) else _deadline(step),  # which is that of one iteration
            image_pull_policy=pod.image_pull_policy,
            image_pull_secrets=pod.image_pull_secrets,
            service_account=pod.service_account,
            node_selector=pod.node_selector,
            tolerations=pod.tolerations,
            volumes=(POD_VOLUME, *pod.volumes),
            security_context=pod.security_context,
            ports=pod.ports,
            labels=pod.labels,
            annotations={**pod.annotations, Annotations.STEP: step.name},
        )
    )


def _events(options: CompileOptions) -> Iterator[str]:
    for event in options.started_by.events if options.started_by else ():
        yield encode(event).decode()


def _published(step: Step, graph: Graph, options: CompileOptions) -> Iterator[str]:
    """What tells others that a task of the step succeeded, where there may be others: of a deployment."""
    if options.name and options.publishes:
        names = [step.name, *([END_EVENT] if isinstance(step.transition, End) else [])]
        for name in dict.fromkeys(names):
            yield flow_event(graph.flow, name, *(options.project or ()))


def words_of(argv: tuple[str, ...]) -> tuple[Text, ...]:
    return tuple(map(parse, argv))


def literal(value: str) -> str:
    return render(text(value))


def _outputs(step: Step) -> tuple[tuple[str, str], ...]:
    if isinstance(step.transition, Foreach):
        return ((SPLITS_OUTPUT, output_file(SPLITS_OUTPUT)),)
    if chooses(step):
        return ((NEXT_OUTPUT, output_file(NEXT_OUTPUT)),)
    return ()


def _times(step: Step) -> int:
    again = decorator_of(step, retry)
    return again.times if again else 0


def _retry(step: Step) -> Retry | None:
    """With @catch one more attempt than the user allows: the one that stands in for a process that died."""
    again = decorator_of(step, retry) or retry(times=0)
    limit = again.times + (1 if decorator_of(step, catch) else 0)
    minutes = again.minutes_between_retries if again.times else 0
    return Retry(limit=limit, backoff=round(minutes * 60)) if limit else None


def _deadline(step: Step) -> int | None:
    limit = decorator_of(step, timeout)
    return limit.total_seconds + DEADLINE_MARGIN if limit else None


def without_tags(container: Container) -> Container:
    """*container*, if Argo would leave everything in it as it is, but for the references in its arguments."""
    for field in fields(container):
        value = getattr(container, field.name)
        for literal in () if field.name == "args" else _texts_in(value):
            if "{{" in literal:
                raise NamingError(
                    f"template {container.name!r}: {field.name} cannot hold {literal!r}: Argo would evaluate what "
                    "follows '{{'"
                )
    return container


def _texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for pair in value.items():
                yield from _texts_in(pair)
        case tuple() | list():
            for part in value:
                yield from _texts_in(part)
        case EmptyDir() | Claim():
            yield from (value.name, value.path)
        case _:
            return
