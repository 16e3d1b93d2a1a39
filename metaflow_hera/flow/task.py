"""What the runtime and a flow object share while a step runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, overload

from metaflow_hera.errors import StepError
from metaflow_hera.graph.model import End, Foreach, Linear, Split, Step, Switch

if TYPE_CHECKING:
    from metaflow_hera.flow.spec import FlowSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeachFrame:
    """A foreach around a task: which step opened it, over which attribute, and which item of how many this is."""

    step: str
    over: str
    index: int
    count: int
    item: Callable[[], object]
    """Loads the item."""


@dataclass(slots=True)
class TaskState:
    """What a flow object knows of its task, and what the step did so far besides setting artifacts."""

    scope: TaskScope
    loaded: dict[str, object] = field(default_factory=dict)
    """Inherited values that the step looked at, as they were handed out."""
    merged: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """For each artifact that `merge_artifacts` took, the inherited artifacts of the task that it took it from."""
    call: NextCall | None = None


def scope_of(flow: FlowSpec) -> TaskScope:
    state = flow._mfhera_task
    if state is None:
        raise StepError(f"{flow.name} runs no step here; artifacts and inputs are there inside of a task")
    return state.scope


def _no_identity(name: str) -> str:
    raise StepError(f"the artifact {name!r} has no stored content to compare")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScope:
    """What a step finds when it begins."""

    step: str
    inherited: Mapping[str, object] = field(default_factory=dict)
    """Artifacts, each loaded when it is asked for."""
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Parameters and constants by attribute, each loaded when it is asked for; read-only."""
    frames: tuple[ForeachFrame, ...] = ()
    """Outermost first."""
    identity: Callable[[str], str] = _no_identity
    """What tells two contents of an inherited artifact apart without loading them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextCall:
    """What ``self.next`` was called with; of a switch, the step that it chose."""

    targets: tuple[str, ...]
    foreach: str | None = None
    condition: str | None = None
    splits: int | None = None
    """How many items the foreach has."""


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


def check_transition(step: Step, call: NextCall | None) -> None:
    """Raise `StepError` unless what a step did at its end is what its source says."""
    found = None if call is None else (call.targets, call.foreach, call.condition)
    expected: object
    match step.transition:
        case Linear(to):
            expected = ((to,), None, None)
        case Split(to):
            expected = (to, None, None)
        case Foreach(to, over):
            expected = ((to,), over, None)
        case Switch(_, condition):
            expected = (
                (call.targets, None, condition) if call and set(call.targets) <= set(step.targets) else step.targets
            )
        case End():
            expected = None
        case _:
            expected = step.targets
    if found != expected:
        did = f"went to {_listed(call.targets)}" if call else "ended without self.next()"
        should = f"goes to {_listed(step.targets)}" if step.targets else "is the end of the flow"
        raise StepError(
            f"step {step.name!r} {did}, but by its source it {should}; write one self.next() as its last statement"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
