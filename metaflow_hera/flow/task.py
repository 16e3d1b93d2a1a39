"""What a flow object knows while a step runs, and what the runtime learns from it.

Nothing here is a dataclass: importing `dataclasses` takes as long as all else that a flow's file imports of us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn, overload

from metaflow_hera.errors import StepError

if TYPE_CHECKING:
    from metaflow_hera.flow.scope import TaskScope
    from metaflow_hera.flow.spec import FlowSpec


class TaskState:
    """What a flow object knows of its task, and what the step did so far besides setting artifacts."""

    def __init__(self, scope: TaskScope) -> None:
        self.scope = scope
        self.loaded: dict[str, object] = {}
        """Inherited values that the step looked at, as they were handed out."""
        self.merged: dict[str, Mapping[str, object]] = {}
        """For each artifact that `merge_artifacts` took, the inherited artifacts of the task that it took it from."""
        self.call: NextCall | None = None


def scope_of(flow: FlowSpec) -> TaskScope:
    state = flow._mfhera_task
    if state is None:
        raise StepError(f"{flow.name} runs no step here; artifacts and inputs are there inside of a task")
    return state.scope


class NextCall(NamedTuple):
    """What ``self.next`` was called with; of a switch, the step that it chose."""

    targets: tuple[str, ...]
    foreach: str | None = None
    condition: str | None = None
    splits: int | None = None
    """How many items the foreach has, or tasks the gang."""
    gang: bool = False
    cases: int = 0
    """How many different values the switch tells apart."""


class Inputs:
    """The tasks that a join gets, by index, by iteration, and by the name of their step."""

    def __init__(self, flows: Sequence[FlowSpec]) -> None:
        self._flows = flows

    def _steps(self) -> list[str]:
        return [scope_of(flow).step for flow in self._flows]

    @overload
    def __getitem__(self, index: int) -> FlowSpec: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FlowSpec]: ...
    def __getitem__(self, index: int | slice) -> FlowSpec | Sequence[FlowSpec]:
        return self._flows[index]

    def __len__(self) -> int:
        return len(self._flows)

    def __iter__(self) -> Iterator[FlowSpec]:
        return iter(self._flows)

    def __getattr__(self, name: str) -> FlowSpec:
        if name.startswith("__"):
            raise AttributeError(name)
        steps = self._steps()
        places = [place for place, step in enumerate(steps) if step == name]
        if len(places) == 1:
            return self._flows[places[0]]
        if places:
            raise AttributeError(
                f"inputs has {len(places)} tasks of step {name!r}; take one as inputs[0], or go through them"
            )
        known = ", ".join(dict.fromkeys(steps))
        raise AttributeError(f"inputs has no {name!r}; its tasks are of {known}")

    def __repr__(self) -> str:
        return f"<inputs: {len(self)} tasks of {', '.join(dict.fromkeys(self._steps()))}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("inputs cannot be stored as an artifact; keep what you need of them, as [i.x for i in inputs]")


# It is a sequence but for `index` and `count`, which may be names of steps.
Sequence.register(Inputs)
