"""How a run begins: its parameters and constants, and its record, by which everybody knows it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaflow_hera import __version__
from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import ArtifactError, ParameterError
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.parameter_values import parameter_values
from metaflow_hera.flow.parameters import config_attributes, parameters_of
from metaflow_hera.graph.as_json import from_json, to_json
from metaflow_hera.graph.model import Graph
from metaflow_hera.naming import own_tags
from metaflow_hera.records import runs
from metaflow_hera.records.artifacts import save_all
from metaflow_hera.records.codec import decode
from metaflow_hera.records.run import Cause, RunRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.store import Store

if TYPE_CHECKING:
    from metaflow_hera.flow.configs import ConfigSpec

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""What Kubernetes puts into every pod that may talk to it."""


def begin_run(
    command: TaskCommand, flow_class: type, graph: Graph, store: Store, texts: Mapping[str, str]
) -> tuple[Mapping[str, Ref], ParameterError | ArtifactError | None]:
    """Write the record of the run, unless it is there; return the parameters, configs and constants by attribute.

    With values that cannot be, the run begins without any and the problem is returned: the run must be seen to fail.
    """
    if command.origin and (begun := runs.read(store, command.flow, command.run)) is not None:
        return begun.parameters, None
    fixed: Mapping[str, Ref] = {}
    problem: ParameterError | ArtifactError | None = None
    causes: tuple[Cause, ...] = ()
    try:
        if command.events:
            from metaflow_hera.runtime.events import told_by_events  # few runs are started by events

            separators = {each.name: each.separator for each in parameters_of(flow_class).values()}
            texts, causes = told_by_events(command.events, separators, texts)
        fixed = _fixed(flow_class, texts, store)
    except (ParameterError, ArtifactError) as error:
        problem = error
    record = run_record(
        command,
        parameters=fixed,
        parameter_names=tuple(parameters_of(flow_class)),
        configs={attribute: spec.name for attribute, spec in _configs(flow_class).items()},
        graph=to_json(graph),
    )
    runs.begin(store, replace(record, triggers=(*record.triggers, *causes)))
    return fixed, problem


def _fixed(flow_class: type, texts: Mapping[str, str], store: Store) -> dict[str, Ref]:
    """Parameters, configs and constants, stored, by attribute."""
    parameters = parameter_values(flow_class, texts)
    configs = {attribute: spec.value for attribute, spec in _configs(flow_class).items()}
    values = {**constants_of(flow_class), **parameters, **configs}
    included: dict[str, Ref] = {}
    if any(parameter.is_file for parameter in parameters_of(flow_class).values()):
        from metaflow_hera.runtime.included import refs_of_files  # few flows include files

        included = refs_of_files(flow_class, parameters, store)
    saved = save_all(store, {name: value for name, value in values.items() if name not in included})
    return {name: included.get(name) or saved[name] for name in values}


def _configs(flow_class: type) -> Mapping[str, ConfigSpec]:
    if not config_attributes(flow_class):
        return {}
    from metaflow_hera.flow.configs import configs_of  # few flows have configs

    return configs_of(flow_class)


def run_record(
    command: TaskCommand,
    *,
    parameters: Mapping[str, Ref] | None = None,
    parameter_names: tuple[str, ...] = (),
    configs: Mapping[str, str] | None = None,
    graph: Mapping[str, object] | None = None,
) -> RunRecord:
    """The record of a run that begins now; without the rest, of one whose flow could not even be loaded."""
    is_local = not command.code
    now = time.time()
    return RunRecord(
        flow=command.flow,
        run=command.run,
        created=now,
        user=command.user,
        code=command.code,
        file=command.file,
        deployment=command.deployment,
        tags=command.tags,
        system_tags=tuple(_system_tags(command, now, graph or {})),
        parameters=parameters or {},
        parameter_names=parameter_names,
        configs=configs or {},
        graph=graph or {},
        host=os.uname().nodename if is_local else "",
        runner=os.getppid() if is_local else 0,
        namespace="" if is_local else _namespace(),
        origin=command.origin,
        triggers=tuple(decode(Cause, text.encode()) for text in command.triggers),
    )


def _namespace() -> str:
    """That of this pod; empty where there is no cluster, or where pods may not know."""
    try:
        return NAMESPACE_FILE.read_text().strip()
    except OSError:
        return ""


def _system_tags(command: TaskCommand, now: float, graph: Mapping[str, Any]) -> Iterator[str]:
    """What a run is found by besides the tags of its user."""
    yield f"date:{time.strftime('%Y-%m-%d', time.gmtime(now))}"
    yield f"metaflow_version:{__version__}"
    yield f"python_version:{'.'.join(map(str, sys.version_info[:3]))}"
    yield f"runtime:{'argo-workflows' if command.code else 'dev'}"
    yield from own_tags(command.production, command.user)
    if any(spec["name"] == "project" for spec in graph.get("decorators", ())):
        from metaflow_hera.flow.project import project_of  # few flows are of a project

        found = project_of(from_json(graph).decorators, command.user)
        yield from found.system_tags if found else ()
