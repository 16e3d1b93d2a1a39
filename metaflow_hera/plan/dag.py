"""The shape of a flow as DAG templates: what waits for what, what fans out, what a switch chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metaflow_hera.errors import FlowError, Problem
from metaflow_hera.graph.model import Foreach, Graph, Step, Switch
from metaflow_hera.naming import NEXT_OUTPUT, SPLITS_OUTPUT
from metaflow_hera.plan.names import PATH, Names
from metaflow_hera.plan.records import Container, Dag, Task, Template
from metaflow_hera.plan.text import AllOf, AnyOf, Depends, Input, Item, OutputIs, Succeeded, TaskOutput, Text, text


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
            parallelism=self.max_workers,
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
            if isinstance(step.transition, Foreach):
                fan = self.names.fans[step.name]
                splits = text(TaskOutput(name, SPLITS_OUTPUT))
                yield Task(name=fan, template=fan, depends=Succeeded(name), arguments=(*path, (SPLITS_OUTPUT, splits)))

    def _depends(self, step: Step) -> Depends | None:
        parents = self.graph.parents[step.name]
        if step.is_join:
            split = self.graph[self.graph.split_of(step.name)]
            if isinstance(split.transition, Foreach):
                return Succeeded(self.names.fans[split.name])
            self._refuse_shortcuts(step)
            return _all(tuple(self._any(branch) for branch in self._branches(split, step)))
        if not parents or isinstance(self.graph[parents[0]].transition, Foreach):
            return None
        if len(parents) > 1:
            self._refuse_shortcuts(step)
        return self._any(parents)

    def _branches(self, split: Step, join: Step) -> Iterator[tuple[str, ...]]:
        """The parents of a static join, those of each branch together: a switch may have ended one in several steps."""
        for target in split.targets:
            inside = {target}
            for name in self.graph.order:
                if name in inside:
                    inside.update(following for following in self.graph[name].targets if following != join.name)
            yield tuple(parent for parent in self.graph.parents[join.name] if parent in inside)

    def _any(self, steps: tuple[str, ...]) -> Depends:
        succeeded = tuple(Succeeded(self.names.steps[name]) for name in steps)
        return succeeded[0] if len(succeeded) == 1 else AnyOf(succeeded)

    def _chosen_by_switch(self, step: Step) -> OutputIs | None:
        parents = self.graph.parents[step.name]
        if len(parents) == 1 and chooses(self.graph[parents[0]]):
            return OutputIs(self.names.steps[parents[0]], NEXT_OUTPUT, step.name)
        return None

    def _refuse_shortcuts(self, step: Step) -> None:
        shortcuts = [name for name in self.graph.parents[step.name] if chooses(self.graph[name])]
        if shortcuts:
            raise FlowError(
                [
                    Problem(
                        f"step {name!r} can go straight to {step.name!r}, where its other branches meet, which "
                        "cannot be deployed yet: put an empty step in between",
                        file=self.graph.file,
                        line=self.graph[name].line,
                    )
                    for name in shortcuts
                ]
            )


def _all(of: tuple[Depends, ...]) -> Depends:
    return of[0] if len(of) == 1 else AllOf(of)


def chooses(step: Step) -> bool:
    """Whether the step's record decides which step comes next; going back to itself is no choice of Argo's."""
    return isinstance(step.transition, Switch) and len([name for name in step.targets if name != step.name]) > 1
