"""What a step finds on ``self`` and on each of its inputs, made of the records of its parents."""

from __future__ import annotations

from collections.abc import Mapping

from metaflow_hera.flow.scope import ForeachFrame, TaskScope
from metaflow_hera.flow.spec import FlowSpec, begin_task, merged
from metaflow_hera.flow.task import Inputs
from metaflow_hera.naming import IndexPath
from metaflow_hera.records.artifacts import LazyValues, identity
from metaflow_hera.records.task import TaskRecord
from metaflow_hera.records.values import Ref
from metaflow_hera.runtime.inputs import Items, Place


class Scopes:
    """The scopes of one task; *fixed* is what the start step begins with, every other task has it from its parents."""

    def __init__(self, place: Place, fixed: Mapping[str, Ref]) -> None:
        self._place = place
        self._items = Items(place)
        self._sources: dict[int, Mapping[str, Ref]] = {}
        self.fixed = place.parents[0].parameters if place.parents else fixed
        self._fixed_values = LazyValues(place.store, self.fixed)
        is_join = place.graph[place.step].is_join
        self._handed_on = place.parents[0].artifacts if place.parents and not is_join else {}
        self.own = self._scope(place.step, self._handed_on, self._items.frames(place.frames, place.path))

    def changed_in_place(self) -> list[str]:
        """Parameters and constants that the step changed, of which no other task will see anything."""
        return self._fixed_values.changed()

    def inputs(self, flow_class: type[FlowSpec]) -> Inputs:
        """The parents of a join, each as an object of the flow."""
        return Inputs([self._input(flow_class, record) for record in self._place.parents])

    def inherited(self, flow: FlowSpec) -> dict[str, Ref]:
        """What the task hands on without having changed it: what it began with, and what it merged."""
        return dict(self._handed_on) | {name: self._sources[id(values)][name] for name, values in merged(flow).items()}

    def _input(self, flow_class: type[FlowSpec], record: TaskRecord) -> FlowSpec:
        path = IndexPath.parse(record.path, len(record.frames))
        flow = flow_class(use_cli=False)
        begin_task(flow, self._scope(record.step, record.artifacts, self._items.frames(record.frames, path)))
        return flow

    def _scope(self, step: str, refs: Mapping[str, Ref], frames: tuple[ForeachFrame, ...]) -> TaskScope:
        values = LazyValues(self._place.store, refs)
        self._sources[id(values)] = refs
        return TaskScope(
            step=step,
            inherited=values,
            fixed=self._fixed_values,
            frames=frames,
            identity=lambda name: identity(refs[name]),
        )
