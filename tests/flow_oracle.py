"""What the tasks of a flow leave, by the plainest means: step after step in this process, values in dictionaries.

Says what a flow means where nothing fails; runs and deployments are compared with it. Knows no retries, catches or
timeouts.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

from metaflow_hera.flow import current
from metaflow_hera.flow.constants import constants_of
from metaflow_hera.flow.foreach import item_at
from metaflow_hera.flow.parameter_values import parameter_values, resolve_defaults
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.flow.scope import ForeachFrame, TaskScope
from metaflow_hera.flow.spec import FlowSpec, begin_task, changes, merged, transition
from metaflow_hera.flow.task import Inputs, NextCall
from metaflow_hera.flow.transitions import check_transition
from metaflow_hera.graph.model import Graph
from metaflow_hera.graph.parse import parse
from metaflow_hera.naming import IndexPath, iteration_of

Artifacts = dict[str, object]
Frames = tuple[ForeachFrame, ...]
Where = tuple[str, str]
"""A step and an index path."""


@dataclass
class Oracle:
    """One run of a flow."""

    flow_class: type[FlowSpec]
    graph: Graph
    fixed: Mapping[str, object]
    tasks: dict[Where, Artifacts] = field(default_factory=dict)
    """What each task left, by step and index path."""
    calls: dict[Where, NextCall | None] = field(default_factory=dict)
    """How each task was left."""
    _frames: dict[Where, Frames] = field(default_factory=dict)

    def run(self, step: str, path: IndexPath, frames: Frames, parents: list[Where]) -> tuple[str, Where] | None:
        """Run a task and what follows from it, up to the join that another task has to reach, too; None at the end."""
        while True:
            where = (step, str(self._iteration(step, path, parents)))
            call, flow = self._task(where, frames, parents)
            if call is None:
                return None
            target = call.targets[0]
            if call.splits is not None:
                over = range(call.splits) if call.foreach is None else getattr(flow, call.foreach)
                arrived = [
                    self.run(target, path.child(frame.index), (*frames, frame), [where])
                    for frame in self._items(step, call.foreach or "", over, call.splits)
                ]
            elif len(call.targets) > 1:
                arrived = [self.run(branch, path, frames, [where]) for branch in call.targets]
            elif self.graph[target].is_join:
                return target, where
            else:
                step, parents = target, [where]
                continue
            parents = [parent for _, parent in filter(None, arrived)]
            (step,) = {join for join, _ in filter(None, arrived)}

    def _iteration(self, step: str, path: IndexPath, parents: list[Where]) -> IndexPath:
        """The path of a task, counted on if the step leads back to itself."""
        if step not in self.graph[step].targets:
            return path
        before = [iteration_of(parent) or 0 for name, parent in parents if name == step]
        return IndexPath(path.indexes, before[0] + 1 if before else 0)

    def _items(self, step: str, name: str, over: object, count: int) -> Iterator[ForeachFrame]:
        for index in range(count):
            item = partial(item_at, over, index)
            yield ForeachFrame(step=step, over=name, index=index, count=count, item=item)

    def _task(self, where: Where, frames: Frames, parents: list[Where]) -> tuple[NextCall | None, FlowSpec]:
        """Run one task and keep what it left."""
        step, path = where
        scope = self._scope(step, {} if self.graph[step].is_join or not parents else self.tasks[parents[0]], frames)
        flow = self.flow_class(use_cli=False)
        begin_task(flow, scope)
        self._frames[where] = frames
        facts = current.TaskFacts(
            flow_name=self.graph.flow,
            run_id="oracle",
            step_name=step,
            task_id=path,
            parameter_names=tuple(parameters_of(self.flow_class)),
        )
        current.enter(facts)
        if frames and not frames[-1].over:
            node, size = frames[-1].index, frames[-1].count
            gang = SimpleNamespace(main_ip="127.0.0.1", num_nodes=size, node_index=node)
            current.provide(is_parallel=True, parallel=gang)
        try:
            arguments = [Inputs([self._input(parent) for parent in parents])] if self.graph[step].is_join else []
            getattr(flow, step)(*arguments)
        finally:
            current.leave()
        call = transition(flow)
        check_transition(self.graph[step], call)
        taken = {name: values[name] for name, values in merged(flow).items()}
        self.tasks[where] = _stored({**scope.inherited, **taken, **changes(flow)})
        self.calls[where] = call
        return call, flow

    def _scope(self, step: str, inherited: Artifacts, frames: Frames) -> TaskScope:
        values = _stored(inherited)
        return TaskScope(
            step=step,
            inherited=values,
            fixed=self.fixed,
            frames=frames,
            identity=lambda name: pickle.dumps(values[name]).hex(),
        )

    def _input(self, parent: Where) -> FlowSpec:
        flow = self.flow_class(use_cli=False)
        begin_task(flow, self._scope(parent[0], self.tasks[parent], self._frames[parent]))
        return flow


def _stored(artifacts: Mapping[str, object]) -> Artifacts:
    """The artifacts as another process would get them."""
    return {name: copy.deepcopy(value) for name, value in artifacts.items()}


def run_oracle(flow_class: type[FlowSpec], **texts: str) -> Oracle:
    """Run a flow; *texts* are parameters as a person types them."""
    oracle = Oracle(flow_class, parse(flow_class), fixed_values(flow_class, **texts))
    oracle.run(oracle.graph.start, IndexPath(), (), [])
    return oracle


def fixed_values(flow_class: type[FlowSpec], **texts: str) -> Mapping[str, object]:
    """What is the same in all tasks of a run."""
    parameters = parameters_of(flow_class).values()
    defaults = resolve_defaults(flow_class, "tester")
    given = {p.name: p.to_text(defaults[p.name]) for p in parameters if p.name in defaults} | texts
    return {**constants_of(flow_class), **parameter_values(flow_class, given)}
