"""From a flow's graph to its Plan: pure, and the same for the same graph and options."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial

from metaflow_hera.deployment_names import deployment_name
from metaflow_hera.errors import FlowError, NamingError, Problem
from metaflow_hera.event_names import RESERVED_PARAMETER_PREFIX
from metaflow_hera.graph.model import Graph
from metaflow_hera.labels import Annotations, label_value
from metaflow_hera.plan.container import step_container
from metaflow_hera.plan.dag import DagCompiler
from metaflow_hera.plan.exit import exit_templates
from metaflow_hera.plan.names import Names
from metaflow_hera.plan.options import CompileOptions
from metaflow_hera.plan.pod import pod_problems
from metaflow_hera.plan.records import Dag, Plan, Template

__all__ = ["CompileOptions", "compile_plan"]

TEMPLATE_LIMIT = 200
"""Of templates in a workflow and of tasks in a DAG: Argo 4 takes no more."""

RESERVED_PARAMETERS = frozenset({"json"})
"""A parameter of this name would hide the list of all parameters from the start step."""

_PARAMETER_NAME = re.compile(r"[-A-Za-z0-9_]+\Z")


def compile_plan(graph: Graph, options: CompileOptions) -> Plan:
    """The Plan of a flow that passed `graph.check`; `FlowError` or `NamingError` for what Argo cannot hold."""
    problems = [Problem(text, file=graph.file) for text in _problems_of_options(options)]
    problems += (problem for step in graph for problem in pod_problems(step, options))
    if problems:
        raise FlowError(problems)
    names = Names.of(graph, sum(bool(group.image) for group in options.hooks))
    container = partial(step_container, graph=graph, names=names, options=options)
    flow = DagCompiler(graph=graph, names=names, max_workers=options.max_workers, container=container)
    templates = (*flow.templates(), *exit_templates(graph, names, options))
    _check_sizes(graph, templates)
    flow_label = {Annotations.FLOW: label_value(graph.flow)}
    return Plan(
        name=deployment_name(graph.flow, options.name) if options.name else "",
        entrypoint=names.entry,
        templates=templates,
        parameters=options.parameters,
        on_exit=names.on_exit,
        namespace=options.namespace,
        service_account=options.service_account,
        labels={**options.labels, **flow_label},
        annotations={**_annotations(graph, options), **options.annotations},
        run_labels={**options.labels, **flow_label},
        deadline=options.deadline,
        priority=options.priority,
        ttl=options.ttl,
        pod_gc=options.pod_gc,
        schedule=options.schedule,
        triggers=options.started_by,
    )


def _annotations(graph: Graph, options: CompileOptions) -> dict[str, str]:
    known = {
        Annotations.FLOW: graph.flow,
        Annotations.CODE: options.code,
        Annotations.DATASTORE: options.store,
        Annotations.DEPLOYER: options.user,
        Annotations.MAX_WORKERS: str(options.max_workers),
        Annotations.PRODUCTION: options.production,
    }
    return {name: value for name, value in known.items() if value}


def _problems_of_options(options: CompileOptions) -> Iterator[str]:
    if options.max_workers < 1:
        yield f"max-workers is {options.max_workers}, but a foreach needs at least 1"
    for name, count in Counter(parameter.name for parameter in options.parameters).items():
        if not _PARAMETER_NAME.match(name) or name in RESERVED_PARAMETERS:
            yield f"the parameter name {name!r} cannot be used in Argo: use ASCII letters, digits, '-', '_'; not 'json'"
        if name.startswith(RESERVED_PARAMETER_PREFIX):
            yield f"the parameter name {name!r} begins like those of metaflow-hera itself; choose another"
        if count > 1:
            yield f"{count} parameters have the name {name!r}"
    yield from _without_values(options)


def _without_values(options: CompileOptions) -> Iterator[str]:
    """Parameters that nobody gives a value to when a run starts by itself."""
    required = [parameter.name for parameter in options.parameters if parameter.value is None]
    if options.schedule is not None:
        for name in required:
            yield f"parameter {name!r} has no default, and a scheduled run has nobody to give it a value"
    if options.started_by is not None:
        given = {name for event in options.started_by.events for name in event.parameters}
        for name in required:
            if name not in given:
                yield f"parameter {name!r} has no default, and none of the events that start a run gives it a value"


def _check_sizes(graph: Graph, templates: tuple[Template, ...]) -> None:
    tasks = max(len(template.tasks) for template in templates if isinstance(template, Dag))
    for count, what in ((len(templates), "templates"), (tasks, "tasks in one DAG")):
        if count > TEMPLATE_LIMIT:
            raise NamingError(
                f"flow {graph.flow!r}: its {len(graph.order)} steps make {count} {what}, and Argo takes "
                f"{TEMPLATE_LIMIT}; split it into several flows"
            )
