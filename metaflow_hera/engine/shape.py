"""A DAG as all of its invocations share it, and Argo's rules over the phases of its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from metaflow_hera.engine.phases import Phase
from metaflow_hera.errors import EngineError
from metaflow_hera.plan.records import Dag, Steps, Task
from metaflow_hera.plan.text import AllOf, AnyOf, Depends, Succeeded, referenced


@dataclass(frozen=True)
class Shape:
    """The tasks of a DAG, or of Steps, by number, and how they hang together."""

    tasks: tuple[Task, ...]
    parallelism: int | None = None
    is_sequence: bool = False
    """Of Steps: each task comes after the one before it, whatever became of that, as long as it did not fail."""

    @classmethod
    def of(cls, template: Dag | Steps) -> Shape:
        if isinstance(template, Steps):
            return cls(template.tasks, template.parallelism, is_sequence=True)
        return cls(template.tasks, template.parallelism)

    def name(self, scope: str, number: int) -> str:
        """What Argo calls the node of a task in the invocation *scope*: a step is in a group of its own."""
        group = f"[{number}]" if self.is_sequence else ""
        return f"{scope}{group}.{self.tasks[number].name}"

    @cached_property
    def number(self) -> dict[str, int]:
        return {task.name: number for number, task in enumerate(self.tasks)}

    @cached_property
    def needs(self) -> tuple[tuple[int, ...], ...]:
        """For each task, the tasks that must have ended before it is looked at."""
        if self.is_sequence:
            return tuple((number - 1,) if number else () for number in range(len(self.tasks)))
        return tuple(
            tuple(dict.fromkeys(self.number[name] for name in referenced(task.depends))) for task in self.tasks
        )

    @cached_property
    def dependents(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.tasks]
        for number, needed in enumerate(self.needs):
            for other in needed:
                found[other].append(number)
        return tuple(map(tuple, found))

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All tasks, each after those it needs."""
        missing = [len(needed) for needed in self.needs]
        order = [number for number, count in enumerate(missing) if not count]
        for number in order:
            for dependent in self.dependents[number]:
                missing[dependent] -= 1
                if not missing[dependent]:
                    order.append(dependent)
        if len(order) < len(self.tasks):
            names = [task.name for number, task in enumerate(self.tasks) if number not in set(order)]
            raise EngineError(f"the tasks {', '.join(names)} wait for each other, so none of them can ever start")
        return tuple(order)

    def may_start(self, number: int, phases: Sequence[Phase | None]) -> bool:
        """What the task's `depends` says, once everything that it refers to has ended."""
        if self.is_sequence:
            return self._first_bad(phases[:number]) is None
        depends = self.tasks[number].depends
        return depends is None or self._holds(depends, phases)

    def _first_bad(self, phases: Sequence[Phase | None]) -> Phase | None:
        """How the first task of a sequence ended that failed and is not forgiven; None if there is none."""
        ended = zip(self.tasks, phases, strict=False)
        return next((phase for task, phase in ended if phase and phase.is_bad and not task.is_forgiven), None)

    def _holds(self, depends: Depends, phases: Sequence[Phase | None]) -> bool:
        match depends:
            case Succeeded(task):
                return phases[self.number[task]] is Phase.SUCCEEDED
            case AllOf(of):
                return all(self._holds(part, phases) for part in of)
            case AnyOf(of):
                return any(self._holds(part, phases) for part in of)

    def phase(self, phases: Sequence[Phase | None]) -> Phase:
        """The DAG's own phase when all tasks have ended.

        Its leaves decide. One that was omitted takes over the phase of the branch that leads to it, a bad one first.
        """
        if self.is_sequence:
            return self._first_bad(phases) or Phase.SUCCEEDED
        branch: list[Phase] = [Phase.SUCCEEDED] * len(self.tasks)
        for number in self.order:
            own = phases[number]
            if own is Phase.SUCCEEDED or own is Phase.FAILED or own is Phase.ERROR:
                branch[number] = own
            else:
                before = (branch[needed] for needed in self.needs[number])
                branch[number] = next((phase for phase in before if phase.is_bad), Phase.SUCCEEDED)
        leaves = (number for number, after in enumerate(self.dependents) if not after)
        decided = (branch[leaf] for leaf in leaves if phases[leaf] is not Phase.SKIPPED)
        return next((phase for phase in decided if phase.is_bad), Phase.SUCCEEDED)
