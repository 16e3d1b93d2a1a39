"""`FlowSpec`: the class that users derive from, and the object that is ``self`` in a step."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from metaflow_hera.errors import MergeArtifactsError, StepError
from metaflow_hera.flow.constants import fix_constants, is_fixed
from metaflow_hera.flow.next_call import next_call
from metaflow_hera.flow.parameters import Given
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.task import Inputs, NextCall, TaskState, scope_of

if TYPE_CHECKING:
    from metaflow_hera.flow.scope import TaskScope

    Taker = tuple[TaskScope, str]

__all__ = ["FlowSpec", "begin_task", "changes", "merged", "transition"]


class FlowSpec:
    """A flow: derive a class, mark its steps with ``@step``, and call the class at the end of its file.

    Called under ``__main__`` it is the flow's command line; ``use_cli=False`` gives the bare object.
    """

    # Beside the instance's __dict__, which holds what the step set and nothing else.
    __slots__ = ("__dict__", "__weakref__", "_mfhera_task")
    _mfhera_task: TaskState | None

    def __new__(cls, *_: Any, **__: Any) -> FlowSpec:
        flow = super().__new__(cls)
        object.__setattr__(flow, "_mfhera_task", None)
        return flow

    def __init__(self, use_cli: bool = True) -> None:
        if use_cli and _is_script(type(self)):
            from metaflow_hera.cli import (
                flow_main,
            )  # the command line is above flows; only a script's last line goes there

            flow_main(type(self))

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        fix_constants(cls)

    @property
    def name(self) -> str:
        """The name of the flow."""
        return type(self).__name__

    @property
    def index(self) -> int | None:
        """Which item of the innermost foreach this task has, from 0; None outside of any."""
        frames = scope_of(self).frames
        return frames[-1].index if frames else None

    @property
    def input(self) -> Any:
        """The item of the innermost foreach; None outside of any."""
        frames = scope_of(self).frames
        return frames[-1].item() if frames else None

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """Index, number of items and item of each foreach around this task, outermost first."""
        return [(frame.index, frame.count, frame.item()) for frame in scope_of(self).frames]

    @property
    def _graph(self) -> Any:
        """The steps and what follows each, by the peer's names."""
        from metaflow_hera.graph.view import (
            view_of,
        )  # reads the source of all steps, which hardly a flow ever asks for

        cls: type = type(self)
        return view_of(cls)

    @property
    def _current_step(self) -> str:
        return scope_of(self).step

    @property
    def _foreach_stack(self) -> list[Any]:
        """The foreaches around this task, outermost first; each has ``step``, ``var``, ``index``, ``num_splits``."""
        return list(scope_of(self).frames)

    def next(self, *targets: Any, **options: Any) -> None:
        """Say which step comes next; the last statement of every step but the end.

        ``self.next(self.a)``, ``self.next(self.a, self.b)``, ``self.next(self.a, foreach="xs")``,
        ``self.next({"x": self.a, "y": self.b}, condition="kind")``, or ``self.next(self.a, num_parallel=4)``.
        """
        state = _running(self, "self.next()")
        where = f"step {state.scope.step!r}: self.next()"
        if state.call is not None:
            raise StepError(f"{where} is called a second time; a step calls it once, as its last statement")
        state.call = next_call(self, targets, options, where)

    def merge_artifacts(self, inputs: Inputs, exclude: Collection[str] = (), include: Collection[str] = ()) -> None:
        """In a join, take over the artifacts of all inputs that are not set yet and are the same wherever they are."""
        state = _running(self, "merge_artifacts()")
        where = f"step {state.scope.step!r}: merge_artifacts()"
        if not isinstance(inputs, Inputs):
            raise StepError(f"{where} works in a join, on the inputs that it got, not on {type(inputs).__name__}")
        if exclude and include:
            raise StepError(f"{where} takes exclude or include, not both")
        found = _candidates(self, state, inputs, _names(exclude), _names(include))
        if missing := [name for name in _names(include) if name not in found and name not in vars(self)]:
            raise MergeArtifactsError(f"{where}: no input has {', '.join(map(repr, missing))}", missing)
        conflicts = {name: takers for name, takers in found.items() if len({identity for _, identity in takers}) > 1}
        if conflicts:
            told = "; ".join(f"{name!r} ({_differing(takers)})" for name, takers in conflicts.items())
            raise MergeArtifactsError(
                f"{where}: the inputs disagree on {told}; set the right value on self before, or exclude it",
                list(conflicts),
            )
        state.merged.update((name, takers[0][0].inherited) for name, takers in found.items())

    def __iter__(self) -> Iterator[Any]:
        """The steps, in the order of the source."""
        return (getattr(self, name) for name in steps_of(type(self)))

    def __getattr__(self, name: str) -> Any:
        state = self._mfhera_task
        if state is None or (name.startswith("__") and name.endswith("__")):
            if isinstance(given := getattr(type(self), name, None), Given):
                return given.outside()  # only says why there is no value
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        for values in (state.merged.get(name, {}), state.scope.inherited, state.scope.fixed):
            if name in values:
                value = values[name]
                state.loaded[name] = value
                self.__dict__[name] = value
                return value
        hint = ""
        if not state.scope.inherited:
            hint = "; a join begins without artifacts: take them from inputs, or call self.merge_artifacts(inputs)"
        raise AttributeError(f"step {state.scope.step!r} of {self.name} has no artifact {name!r}{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        cls = type(self)
        if is_fixed(cls, name, self._mfhera_task):
            raise AttributeError(
                f"self.{name} is a parameter or a constant of {cls.__name__} and the same in all steps; "
                "give the artifact another name"
            )
        if name in RESERVED or (name not in self.__dict__ and _is_method(cls, name)):
            raise AttributeError(f"self.{name} is a method of {cls.__name__}; give the artifact another name")
        object.__setattr__(self, name, value)

    def _repr_svg_(self) -> str:
        drawn: str = self._graph._repr_svg_()
        return drawn

    def __repr__(self) -> str:
        state = self._mfhera_task
        if state is None:
            return f"<flow {self.name}>"
        stack = "".join(f"[{frame.index}]" for frame in state.scope.frames)
        return f"<flow {self.name} step {state.scope.step}{stack}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            f"a flow cannot be stored in an artifact: {self!r}; take what you need of self, or of one of the inputs"
        )


RESERVED = frozenset(name for name in vars(FlowSpec) if not name.startswith("_")) | {"cmd"}
"""Names that a flow's steps, parameters, constants and artifacts cannot have."""


def begin_task(flow: FlowSpec, scope: TaskScope) -> None:
    """From now on *flow* is ``self`` of that task."""
    object.__setattr__(flow, "_mfhera_task", TaskState(scope))


def changes(flow: FlowSpec) -> dict[str, object]:
    """The artifacts that the step set, and the inherited ones that it may have changed in place."""
    state = flow._mfhera_task
    loaded = {} if state is None else state.loaded
    fixed: Mapping[str, object] = {} if state is None else state.scope.fixed
    return {
        name: value
        for name, value in vars(flow).items()
        if name not in fixed and not (name in loaded and value is loaded[name] and _is_immutable(value))
    }


def merged(flow: FlowSpec) -> Mapping[str, Mapping[str, object]]:
    """What `merge_artifacts` took and the step did not change: for each name, the ``inherited`` to take it from."""
    state = flow._mfhera_task
    if state is None:
        return {}
    changed = changes(flow)
    return {name: source for name, source in state.merged.items() if name not in changed}


def transition(flow: FlowSpec) -> NextCall | None:
    """What the step called ``self.next`` with, None if it did not."""
    state = flow._mfhera_task
    return None if state is None else state.call


def _is_immutable(value: object) -> bool:
    """Whether nothing can have changed it in place, as far as that is cheap to tell."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | range):
        return True
    try:
        return memoryview(cast(bytes, value)).readonly  # an array over stored bytes says so by this
    except TypeError:
        return False


def _running(flow: FlowSpec, what: str) -> TaskState:
    state = flow._mfhera_task
    if state is None:
        raise StepError(f"{what} is for steps of a flow that runs; {flow.name} does not run here")
    return state


def _is_script(cls: type) -> bool:
    """Whether the class stands in the file that Python was started with; in a notebook or a shell there is none."""
    return cls.__module__ == "__main__" and getattr(sys.modules["__main__"], "__file__", None) is not None


def _is_method(cls: type, name: str) -> bool:
    return isinstance(next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None), FunctionType)


def _names(given: Collection[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _candidates(
    flow: FlowSpec, state: TaskState, inputs: Inputs, exclude: list[str], include: list[str]
) -> dict[str, list[Taker]]:
    """For each artifact that may be merged, the tasks that have it and what tells its content apart there."""
    settled = vars(flow).keys() | state.scope.fixed.keys() | set(exclude)
    found: dict[str, list[Taker]] = {}
    for flow_input in inputs:
        scope = scope_of(flow_input)
        for name in scope.inherited:
            if name not in settled and (not include or name in include):
                found.setdefault(name, []).append((scope, scope.identity(name)))
    return found


def _differing(takers: list[Taker]) -> str:
    """One task for each content, such as ``fit[0], fit[2]``, and how many contents there are."""
    first = {identity: scope for scope, identity in reversed(takers)}
    shown = [f"{scope.step}{''.join(f'[{frame.index}]' for frame in scope.frames)}" for scope in first.values()][::-1]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"different in {', '.join(shown[:3])}{more}"
