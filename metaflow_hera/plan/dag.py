"""The shape of a flow as DAG templates: what waits for what, what fans out, what a switch chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metaflow_hera.graph.model import Foreach, Graph, Step
from metaflow_hera.naming import NEXT_OUTPUT, SPLITS_OUTPUT
from metaflow_hera.plan.names import PATH, Names
from metaflow_hera.plan.records import Container, Dag, Steps, Task, Template
from metaflow_hera.plan.switches import chooses
from metaflow_hera.plan.text import (
    AllOf,
    AnyOf,
    Depends,
    Input,
    Item,
    Never,
    OutputIs,
    Succeeded,
    TaskOutput,
    Text,
    text,
)


@dataclass(frozen=True, kw_only=True)
class DagCompiler:
    """Makes the DAG templates of one flow; *container* makes the template of a step."""

    graph: Graph
    names: Names
    max_workers: int
    container: Callable[[Step], Container]

    def templates(self) -> Iterator[Template]:
        """The entrypoint, then everything below it in the order in which a reader meets it."""
        steps = self._body(())
        yield Dag(name=self.names.entry, tasks=tuple(self._tasks(steps, in_foreach=False)))
        yield from self._below(steps)
        if self.names.shortcuts:
            skipped = Task(name="nothing", template=self.names.exit, when=Never())
            yield Steps(name=self.names.shortcut, tasks=(skipped,))

    def _body(self, foreaches: tuple[str, ...]) -> tuple[Step, ...]:
        """The steps with exactly these foreaches around them."""
        return tuple(self.graph[name] for name in self.graph.order if self.graph.foreaches(name) == foreaches)

    def _below(self, steps: tuple[Step, ...]) -> Iterator[Template]:
        for step in steps:
            yield self.container(step)
            if isinstance(step.transition, Foreach):
                yield from self._fan_out(step)

    def _fan_out(self, split: Step) -> Iterator[Template]:
        """The wrapper of a foreach, alone with its fan-out for its parallelism to count nothing else, and the body."""
        around = self.graph.foreaches(split.name)
        body = self._body((*around, split.name))
        item = self.names.steps[body[0].name] if len(body) == 1 else self.names.items[split.name]
        fan_out = Task(
            name=item,
            template=item,
            arguments=((PATH, text(Input(PATH), ".", Item()) if around else text(Item())),),
            count=text(Input(SPLITS_OUTPUT)),
        )
        yield Dag(
            name=self.names.fans[split.name],
            inputs=(PATH, SPLITS_OUTPUT) if around else (SPLITS_OUTPUT,),
            tasks=(fan_out,),
            parallelism=None if isinstance(split.transition, Foreach) and split.transition.gang else self.max_workers,
        )
        if len(body) > 1:
            yield Dag(name=item, inputs=(PATH,), tasks=tuple(self._tasks(body, in_foreach=True)))
        yield from self._below(body)

    def _tasks(self, steps: tuple[Step, ...], *, in_foreach: bool) -> Iterator[Task]:
        path: tuple[tuple[str, Text], ...] = ((PATH, text(Input(PATH))),) if in_foreach else ()
        for step in steps:
            name = self.names.steps[step.name]
            yield Task(
                name=name, template=name, depends=self._depends(step), when=self._chosen_by_switch(step), arguments=path
            )
            yield from self._ways(step)
            if isinstance(step.transition, Foreach):
                fan = self.names.fans[step.name]
                splits = text(TaskOutput(name, SPLITS_OUTPUT))
                yield Task(name=fan, template=fan, depends=Succeeded(name), arguments=(*path, (SPLITS_OUTPUT, splits)))

    def _ways(self, step: Step) -> Iterator[Task]:
        """Tasks without a pod, each of which succeeds if the switch leads straight to a step that others lead to."""
        for target in step.targets:
            if way := self.names.shortcuts.get((step.name, target)):
                yield Task(
                    name=way,
                    template=self.names.shortcut,
                    depends=Succeeded(self.names.steps[step.name]),
                    when=self._chose(step, target),
                )

    def _depends(self, step: Step) -> Depends | None:
        parents = self.graph.parents[step.name]
        if step.is_join:
            split = self.graph[self.graph.split_of(step.name)]
            if isinstance(split.transition, Foreach):
                return Succeeded(self.names.fans[split.name])
            return _all(tuple(self._any(branch, step) for branch in self._branches(split, step)))
        if not parents or isinstance(self.graph[parents[0]].transition, Foreach):
            return None
        return self._any(parents, step)

    def _branches(self, split: Step, join: Step) -> Iterator[tuple[str, ...]]:
        """The parents of a static join, those of each branch together: a switch may have ended one in several steps."""
        for target in split.targets:
            inside = {target}
            for name in self.graph.order:
                if name in inside:
                    inside.update(following for following in self.graph[name].targets if following != join.name)
            yield tuple(parent for parent in self.graph.parents[join.name] if parent in inside)

    def _any(self, parents: tuple[str, ...], step: Step) -> Depends:
        """After the one of *parents* that runs and leads to *step*."""
        ways = ((parent, step.name) for parent in parents)
        succeeded = tuple(Succeeded(self.names.shortcuts.get(way, self.names.steps[way[0]])) for way in ways)
        return succeeded[0] if len(succeeded) == 1 else AnyOf(succeeded)

    def _chosen_by_switch(self, step: Step) -> OutputIs | None:
        parents = self.graph.parents[step.name]
        if len(parents) == 1 and not step.is_join and chooses(self.graph[parents[0]]):
            return self._chose(self.graph[parents[0]], step.name)
        return None

    def _chose(self, switch: Step, target: str) -> OutputIs:
        return OutputIs(self.names.steps[switch.name], NEXT_OUTPUT, target)


def _all(of: tuple[Depends, ...]) -> Depends:
    return of[0] if len(of) == 1 else AllOf(of)
