"""What a flow should run, by the peer's rules; and what Argo would run of its Plan, by Argo's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from flow_graphs import Choice, Fan, Fork, One, Sequence

from metaflow_hera.command import TaskCommand
from metaflow_hera.naming import IndexPath
from metaflow_hera.plan.records import Container, Dag, Plan, Task
from metaflow_hera.plan.text import AllOf, AnyOf, Depends, Input, Item, OutputIs, Reference, Succeeded, TaskOutput, fill

Run = tuple[str, str]
"""A step and an index path."""


TOP = IndexPath()


@dataclass(frozen=True)
class Decisions:
    """What the steps of a run decide while they run."""

    width: Callable[[Run], int]
    """How many items a foreach has."""
    choice: Callable[[Run], int]
    """Which branch a switch takes."""


def expected(
    flow: Sequence, decisions: Decisions, path: IndexPath = TOP, before: frozenset[Run] = frozenset()
) -> Iterator[tuple[Run, frozenset[Run]]]:
    """Every task of a run, with the tasks that must have ended just before it."""
    for block in flow:
        opening = (block.name, str(path))
        yield opening, before
        before = frozenset({opening})
        match block:
            case One():
                continue
            case Fork(branches=branches, join=closing):
                inside = [list(expected(branch, decisions, path, before)) for branch in branches]
            case Fan(body=body, join=closing):
                items = map(path.child, range(decisions.width(opening)))
                inside = [list(expected(body, decisions, item, before)) for item in items]
            case Choice(branches=branches, meeting=closing):
                inside = [list(expected(branches[decisions.choice(opening)], decisions, path, before))]
        yield from (run for runs in inside for run in runs)
        yield (closing, str(path)), frozenset(runs[-1][0] for runs in inside)
        before = frozenset({(closing, str(path))})


def heads(flow: Sequence) -> Iterator[tuple[str, list[str]]]:
    """Each switch, with the steps to which it can lead."""
    for block in flow:
        match block:
            case Fork(branches=branches):
                yield from (pair for branch in branches for pair in heads(branch))
            case Fan(body=body):
                yield from heads(body)
            case Choice(branches=branches):
                yield block.name, [branch[0].name for branch in branches]
                yield from (pair for branch in branches for pair in heads(branch))


@dataclass
class Argo:
    """Runs Plans whose containers all succeed at once."""

    plan: Plan
    outputs: Callable[[Run], Mapping[str, str]]
    """What the task of a step writes."""
    runs: list[Run] = field(default_factory=list)
    commands: list[TaskCommand] = field(default_factory=list)

    def run(self) -> None:
        self._template(self.plan.entrypoint, {})

    def _template(self, name: str, inputs: Mapping[str, str]) -> Mapping[str, str]:
        template = self.plan.by_name[name]
        assert set(inputs) == set(template.inputs), f"{name} gets exactly the inputs that it declares"
        if isinstance(template, Container):
            return self._container(template, inputs)
        assert isinstance(template, Dag)
        self._dag(template, inputs)
        return {}

    def _container(self, container: Container, inputs: Mapping[str, str]) -> Mapping[str, str]:
        def resolve(reference: Reference) -> str:
            return inputs[reference.name] if isinstance(reference, Input) else "…"

        command = TaskCommand.parse([fill(word, resolve) for word in container.args])
        self.commands.append(command)
        self.runs.append((command.step, command.path))
        outputs = self.outputs((command.step, command.path))
        return {name: outputs[name] for name, _ in container.outputs}

    def _dag(self, dag: Dag, inputs: Mapping[str, str]) -> None:
        phases: dict[str, str] = {}
        outputs: dict[str, Mapping[str, str]] = {}
        while len(phases) < len(dag.tasks):
            ready = [task for task in dag.tasks if task.name not in phases and _names(task.depends) <= phases.keys()]
            assert ready, f"{dag.name} would hang"
            for task in ready:
                phases[task.name] = "Omitted" if task.depends and not _holds(task.depends, phases) else "Succeeded"
                when = task.when if phases[task.name] == "Succeeded" else None
                if isinstance(when, OutputIs) and outputs[when.task][when.parameter] != when.value:
                    phases[task.name] = "Skipped"
                if phases[task.name] == "Succeeded":
                    outputs[task.name] = self._task(task, inputs, outputs)

    def _task(
        self, task: Task, inputs: Mapping[str, str], outputs: Mapping[str, Mapping[str, str]]
    ) -> Mapping[str, str]:
        def resolve(reference: Reference, item: int = 0) -> str:
            match reference:
                case Input(name):
                    return inputs[name]
                case TaskOutput(name, parameter):
                    return outputs[name][parameter]
                case Item():
                    return str(item)
            raise AssertionError(reference)

        def arguments(item: int = 0) -> dict[str, str]:
            return {name: fill(value, lambda reference: resolve(reference, item)) for name, value in task.arguments}

        if task.count is None:
            return self._template(task.template, arguments())
        for item in range(int(fill(task.count, resolve))):
            self._template(task.template, arguments(item))
        return {}


def _names(depends: Depends | None) -> set[str]:
    match depends:
        case None:
            return set()
        case Succeeded(task):
            return {task}
        case AllOf(of) | AnyOf(of):
            return set().union(*map(_names, of))


def _holds(depends: Depends, phases: Mapping[str, str]) -> bool:
    match depends:
        case Succeeded(task):
            return phases[task] == "Succeeded"
        case AllOf(of):
            return all(_holds(part, phases) for part in of)
        case AnyOf(of):
            return any(_holds(part, phases) for part in of)
