"""What the tasks of a flow leave, by the plainest means: step after step in this process, values in dictionaries.

Says what a flow means where nothing fails; runs and deployments are compared with it. Knows no retries, catches or
timeouts.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from metaflow_hera.flow import current
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.foreach import item_at
from metaflow_hera.flow.parameter_values import parameter_values, resolve_defaults
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.flow.scope import ForeachFrame, TaskScope
from metaflow_hera.flow.spec import FlowSpec, begin_task, changes, merged, transition
from metaflow_hera.flow.task import Inputs
from metaflow_hera.flow.transitions import check_transition
from metaflow_hera.graph.model import Graph
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import IndexPath

Artifacts = dict[str, object]


@dataclass
class Oracle:
    """One run of a flow."""

    flow_class: type[FlowSpec]
    graph: Graph
    fixed: Mapping[str, object]
    tasks: dict[tuple[str, str], Artifacts] = field(default_factory=dict)
    """What each task left, by step and index path."""
    _frames: dict[tuple[str, str], tuple[ForeachFrame, ...]] = field(default_factory=dict)

    def run(self, step: str, path: IndexPath, frames: tuple[ForeachFrame, ...], parents: list[tuple[str, str]]) -> None:
        """Run a task and all that follows from it up to the next join."""
        where = (step, str(path))
        scope = self._scope(step, {} if self.graph[step].is_join or not parents else self.tasks[parents[0]], frames)
        flow = self.flow_class(use_cli=False)
        begin_task(flow, scope)
        self._frames[where] = frames
        facts = current.TaskFacts(
            flow_name=self.graph.flow,
            run_id="oracle",
            step_name=step,
            task_id=str(path),
            parameter_names=tuple(parameters_of(self.flow_class)),
        )
        current.enter(facts)
        try:
            arguments = [Inputs([self._input(parent) for parent in parents])] if self.graph[step].is_join else []
            getattr(flow, step)(*arguments)
        finally:
            current.leave()
        call = transition(flow)
        check_transition(self.graph[step], call)
        taken = {name: values[name] for name, values in merged(flow).items()}
        self.tasks[where] = _stored({**scope.inherited, **taken, **changes(flow)})
        if call is None:
            return
        if call.foreach is not None:
            over, count = getattr(flow, call.foreach), call.splits or 0
            for index in range(count):
                frame = ForeachFrame(
                    step=step, over=call.foreach, index=index, count=count, item=partial(item_at, over, index)
                )
                self.run(call.targets[0], path.child(index), (*frames, frame), [where])
            self._join(step, [path.child(index) for index in range(count)], path, frames)
        elif len(call.targets) > 1:
            for target in call.targets:
                self.run(target, path, frames, [where])
            self._join(step, [path], path, frames)
        elif not self.graph[call.targets[0]].is_join:
            self.run(call.targets[0], path, frames, [where])

    def _join(self, split: str, paths: list[IndexPath], path: IndexPath, frames: tuple[ForeachFrame, ...]) -> None:
        join = self.graph.joins[split]
        parents = [(parent, str(inner)) for inner in paths for parent in self.graph.parents[join]]
        self.run(join, path, frames, parents)

    def _scope(self, step: str, inherited: Artifacts, frames: tuple[ForeachFrame, ...]) -> TaskScope:
        values = _stored(inherited)
        return TaskScope(
            step=step,
            inherited=values,
            fixed=self.fixed,
            frames=frames,
            identity=lambda name: pickle.dumps(values[name]).hex(),
        )

    def _input(self, parent: tuple[str, str]) -> FlowSpec:
        flow = self.flow_class(use_cli=False)
        begin_task(flow, self._scope(parent[0], self.tasks[parent], self._frames[parent]))
        return flow


def _stored(artifacts: Mapping[str, object]) -> Artifacts:
    """The artifacts as another process would get them."""
    return {name: copy.deepcopy(value) for name, value in artifacts.items()}


def run_oracle(flow_class: type[FlowSpec], **texts: str) -> Oracle:
    """Run a flow; *texts* are parameters as a person types them."""
    parameters = parameters_of(flow_class).values()
    defaults = resolve_defaults(flow_class, "tester")
    given = {p.name: p.to_text(defaults[p.name]) for p in parameters if p.name in defaults} | texts
    fixed = {**constants_of(flow_class), **parameter_values(flow_class, given)}
    oracle = Oracle(flow_class, parse(flow_class), fixed)
    oracle.run(oracle.graph.start, IndexPath(), (), [])
    return oracle
