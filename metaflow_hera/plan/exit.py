"""What runs when a run has ended: who writes that down, tells people, and calls the functions of @exit_hook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from metaflow_hera.command import ExitCommand
from metaflow_hera.flow.exit_hooks import HookGroup
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import POD_DIR, POD_DIR_VARIABLE
from metaflow_hera.plan.container import POD_VOLUME, literal, without_tags, words_of
from metaflow_hera.plan.names import Names
from metaflow_hera.plan.options import CompileOptions, Notices
from metaflow_hera.plan.pod import camel_case
from metaflow_hera.plan.records import Container, Retry, Steps, Task, Template
from metaflow_hera.plan.text import Condition, StatusIs, StatusIsNot, WorkflowName, WorkflowStatus, render, text

EXIT_DEADLINE: Final = 3600
"""Seconds: Argo waits for the exit handler, so a pod whose image cannot be had would keep its run from ending."""

AGAIN: Final = Retry(limit=1)
"""Of a pod that was taken away; a hook that was called is not called again."""

REQUESTS: Final = {"cpu": "100m", "memory": "128Mi"}
"""So that it is not the first pod to go where memory is short."""

SUCCEEDED: Final = "Succeeded"


def exit_templates(graph: Graph, names: Names, options: CompileOptions) -> Iterator[Template]:
    """A template of steps, and their containers: the first writes the end down, and each image of hooks has another.

    A step that has nothing to do is skipped, which costs no pod and no turn of the controller. Whatever goes wrong in
    one that does more than writing the end is forgiven: a run that succeeded stays so.
    """
    own = next((group for group in options.hooks if not group.image), HookGroup(image=""))
    others = [group for group in options.hooks if group.image]
    on_success = own.on_success or options.notices.on_success
    is_more = bool(options.hooks or options.notices)
    when = _when(on_success=on_success, on_error=True)
    tasks = [Task(name=names.exit, template=names.exit, when=when, is_forgiven=is_more)]
    for name, group in zip(names.exit_hooks, others, strict=True):
        when = _when(on_success=group.on_success, on_error=group.on_error)
        tasks.append(Task(name=name, template=name, when=when, is_forgiven=True))
    yield Steps(name=names.on_exit, tasks=tuple(tasks))
    yield _container(names.exit, own, graph, options, options.notices)
    for name, group in zip(names.exit_hooks, others, strict=True):
        yield _container(name, group, graph, options, Notices())


def _when(*, on_success: bool, on_error: bool) -> Condition | None:
    if on_success and on_error:
        return None
    return StatusIs(SUCCEEDED) if on_success else StatusIsNot(SUCCEEDED)


def _container(name: str, group: HookGroup, graph: Graph, options: CompileOptions, notices: Notices) -> Container:
    calls = group.on_success or group.on_error
    command = ExitCommand(
        flow=literal(graph.flow),
        run=render(options.run),
        status=render(text(WorkflowStatus())),
        store=literal(options.store),
        code=literal(options.code),
        file=literal(options.file) if calls else "",
        image=literal(group.image),
        user=literal(options.user),
        production=literal(options.production),
        namespace=literal(options.user_namespace),
        notify=tuple(_wanted(notices)),
        secret=literal(notices.secret),
        link=_link(notices),
        alert_source=literal(notices.alert_source),
        alert_metadata=tuple(map(literal, notices.alert_metadata)),
    )
    is_more = bool(calls or notices)
    return without_tags(
        Container(
            name=name,
            image=options.image_of(group.image),
            command=options.command,
            args=words_of(command.argv()),
            env={**options.env_of({**options.env, **notices.env}), POD_DIR_VARIABLE: POD_DIR},
            secrets=tuple(dict.fromkeys(options.secrets)),
            optional_secrets=tuple(name for name in (notices.secret,) if name and name not in options.secrets),
            requests=REQUESTS if is_more else {},
            retry=AGAIN if is_more else None,
            deadline=EXIT_DEADLINE,
            image_pull_policy=options.pod.image_pull_policy,
            image_pull_secrets=options.pod.image_pull_secrets,
            node_selector=options.pod.node_selector,
            tolerations=tuple(map(camel_case, options.pod.tolerations)),
            volumes=(POD_VOLUME,),
            labels=options.pod.labels,
            annotations=options.pod.annotations,
        )
    )


def _wanted(notices: Notices) -> Iterator[str]:
    if notices.on_error:
        yield ExitCommand.ON_ERROR
    if notices.on_success:
        yield ExitCommand.ON_SUCCESS


def _link(notices: Notices) -> str:
    return render(text(f"{notices.link}/", WorkflowName())) if notices.link else ""
