"""The virtual step ``_parameters`` of a run: its one task has parameters, constants and the description of the flow."""

from __future__ import annotations

from typing import Final

from metaflow_hera.graph.as_json import from_json
from metaflow_hera.graph.info import graph_info
from metaflow_hera.records.run import RunRecord
from metaflow_hera.records.task import TaskRecord, TaskStatus
from metaflow_hera.records.values import Ref, dump

BEGINNING: Final = "_parameters"
BEGINNING_PATH: Final = "0"


def beginning_of(run: RunRecord) -> TaskRecord:
    """What the task has, as if it had run when the run began."""
    return TaskRecord(
        step=BEGINNING,
        path=BEGINNING_PATH,
        attempt=0,
        status=TaskStatus.SUCCEEDED,
        started=run.created,
        finished=run.created,
        next=(str(run.graph["start"]),) if run.graph else (),
        parameters=run.parameters,
        artifacts={"_graph_info": _described(run)} if run.graph else {},
    )


def _described(run: RunRecord) -> Ref:
    parameters = {name: ref.type for name, ref in run.parameters.items() if name in run.parameter_names}
    constants = {name: ref.type for name, ref in run.parameters.items() if name not in parameters}
    dumped = dump(graph_info(from_json(run.graph), parameters, constants), "_graph_info")
    return Ref(size=dumped.size, type=dumped.type, inline=b"".join(dumped.parts))
