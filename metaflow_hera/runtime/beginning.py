"""How a run begins: its parameters and constants, and its record, by which everybody knows it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import ArtifactError, ParameterError
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.parameter_values import parameter_values
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.graph.model import Graph, to_json
from metaflow_hera.records import runs
from metaflow_hera.records.artifacts import save_all
from metaflow_hera.records.run import RunRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.store import Store


def begin_run(
    command: TaskCommand, flow_class: type, graph: Graph, store: Store, texts: Mapping[str, str]
) -> tuple[Mapping[str, Ref], ParameterError | ArtifactError | None]:
    """Write the record of the run, unless it is there; return the parameters and constants by attribute.

    With values that cannot be, the run begins without any and the problem is returned: the run must be seen to fail.
    """
    if command.origin and (begun := runs.read(store, command.flow, command.run)) is not None:
        return begun.parameters, None
    fixed: Mapping[str, Ref] = {}
    problem: ParameterError | ArtifactError | None = None
    try:
        fixed = save_all(store, {**constants_of(flow_class), **parameter_values(flow_class, texts)})
    except (ParameterError, ArtifactError) as error:
        problem = error
    record = run_record(
        command, parameters=fixed, parameter_names=tuple(parameters_of(flow_class)), graph=to_json(graph)
    )
    runs.begin(store, record)
    return fixed, problem


def run_record(
    command: TaskCommand,
    *,
    parameters: Mapping[str, Ref] | None = None,
    parameter_names: tuple[str, ...] = (),
    graph: Mapping[str, object] | None = None,
) -> RunRecord:
    """The record of a run that begins now; without the rest, of one whose flow could not even be loaded."""
    version = ".".join(map(str, sys.version_info[:3]))
    is_local = not command.code
    runtime = "local" if is_local else "argo-workflows"
    return RunRecord(
        flow=command.flow,
        run=command.run,
        created=time.time(),
        user=command.user,
        code=command.code,
        file=command.file,
        deployment=command.deployment,
        tags=command.tags,
        system_tags=(f"python_version:{version}", f"runtime:{runtime}", f"user:{command.user}"),
        parameters=parameters or {},
        parameter_names=parameter_names,
        graph=graph or {},
        host=os.uname().nodename if is_local else "",
        runner=os.getppid() if is_local else 0,
        origin=command.origin,
    )
