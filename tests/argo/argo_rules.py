"""What Argo would run of a Plan, by Argo's rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flow_meaning import Run

from metaflow_hera.command import TaskCommand
from metaflow_hera.plan.records import Container, Dag, Plan, Steps, Task
from metaflow_hera.plan.text import (
    AllOf,
    AnyOf,
    Condition,
    Depends,
    Input,
    Item,
    Never,
    OutputIs,
    Reference,
    Succeeded,
    TaskOutput,
    fill,
)


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
        template = _as_dag(template) if isinstance(template, Steps) else template
        assert set(inputs) == set(template.inputs), f"{name} gets exactly the inputs that it declares"
        if isinstance(template, Container):
            return self._container(template, inputs)
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
                if phases[task.name] == "Succeeded" and _is_skipped(task.when, outputs):
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


def _as_dag(steps: Steps) -> Dag:
    return Dag(name=steps.name, tasks=steps.tasks)


def _is_skipped(when: Condition | None, outputs: Mapping[str, Mapping[str, str]]) -> bool:
    match when:
        case OutputIs(task, parameter, value):
            return outputs[task][parameter] != value
        case Never():
            return True
        case _:
            return False


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
