"""The turns of mutators, when a flow is started or deployed and again in each container: a class becomes another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from metaflow_hera.errors import FlowError, MetaflowHeraError, Problem
from metaflow_hera.flow.mutable import Draft, MutableFlow, MutableStep
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.user_decorators import FlowMutator, StepMutator, made, path_of
from metaflow_hera.flow.user_rules import problems_of_definition, problems_of_use
from metaflow_hera.graph.model import DecoratorSpec

_MOST_TURNS = 10_000

_DONE = "_mfhera_mutated"
"""The attribute of a class whose mutators had both turns."""


def pre_mutated(flow_class: type[FlowSpec], resolve: Callable[[Any], Any] = lambda value: value) -> type[FlowSpec]:
    """The class, whose configs have values, after the first turn of all mutators that had none yet.

    *resolve* puts values in the place of expressions of configs, here in what the mutators were written with.
    """
    draft = Draft(flow_class, is_final=False)
    # A mutator may bring others; those of the flow come before those of its steps.
    for _ in range(_MOST_TURNS):
        following = next((turn for turn in _turns(draft) if turn.spec.made is None), None)
        if following is None:
            return draft.settled()
        following.begin(resolve).take("pre_mutate", draft)
    raise FlowError(f"the mutators of {flow_class.__name__} bring new ones without end; let pre_mutate add each once")


def mutated(flow_class: type[FlowSpec]) -> type[FlowSpec]:
    """The class after the second turn of its mutators, which see the decorators of ``--with``; not to be repeated."""
    if getattr(flow_class, _DONE, False):
        return flow_class
    flow_class = pre_mutated(flow_class)  # of those that --with has brought
    draft = Draft(flow_class, is_final=True)
    turns = [*_turns(draft)]
    for turn in turns:
        turn.take("mutate", draft)
    return draft.settled(**{_DONE: True}) if turns else flow_class


class _Turn(NamedTuple):
    """A mutator that stands on a flow or on one of its steps."""

    spec: DecoratorSpec
    among: list[DecoratorSpec]
    """The decorators that it stands among."""
    step: str | None

    def begin(self, resolve: Callable[[Any], Any]) -> _Turn:
        """The same with its object, and with all arguments known; `FlowError` has all that is wrong with it."""
        try:
            arguments, attributes = resolve(self.spec.arguments), resolve(self.spec.attributes)
        except FlowError as error:
            raise FlowError(
                [problem._replace(text=f"{self._where}: {problem.text}") for problem in error.problems]
            ) from error
        spec = replace(self.spec, arguments=tuple(arguments), attributes=attributes)
        place = "" if self.step is None else f"step {self.step!r}: "
        found = [Problem(f"{place}{text}") for text in problems_of_use(spec, on_step=self.step is not None)]
        if problems := [*problems_of_definition(spec.kind), *found]:
            raise FlowError(problems)
        try:
            spec = replace(spec, made=made(spec))
        except Exception as error:  # the user's init may raise anything
            raise self._failure("init", error) from error
        self.among[:] = [spec if other is self.spec else other for other in self.among]
        return self._replace(spec=spec)

    def take(self, method: str, draft: Draft) -> None:
        """Let it change the draft; `FlowError` says where in the user's code it failed."""
        mutable = MutableFlow(draft) if self.step is None else MutableStep(draft, self.step)
        try:
            getattr(self.spec.made, method)(mutable)
        except Exception as error:  # the user's mutator may raise anything
            raise self._failure(method, error) from error

    @property
    def _where(self) -> str:
        return f"@{self.spec.name}" if self.step is None else f"step {self.step!r}: @{self.spec.name}"

    def _failure(self, method: str, error: Exception) -> FlowError:
        """What the user's code raised, with the last line of it that was come to."""
        place, file, line = error.__traceback__, None, None
        while place is not None:
            if not place.tb_frame.f_globals.get("__name__", "").startswith("metaflow_hera."):
                file, line = place.tb_frame.f_code.co_filename, place.tb_lineno
            place = place.tb_next
        reason = f": {error}" if isinstance(error, MetaflowHeraError) else f" raised {type(error).__name__}: {error}"
        return FlowError([Problem(f"{self._where}: {path_of(self.spec.kind)}.{method}(){reason}", file, line)])


def _turns(draft: Draft) -> Iterator[_Turn]:
    """The mutators of the flow, those of its bases first, then those of its steps, the innermost first."""
    for group in reversed(draft.groups):
        yield from (_Turn(spec, group, None) for spec in group if _is_of(spec, FlowMutator))
    for name, (specs,) in draft.steps.items():
        yield from (_Turn(spec, specs, name) for spec in specs if _is_of(spec, StepMutator))


def _is_of(spec: DecoratorSpec, base: type[FlowMutator | StepMutator]) -> bool:
    return spec.kind is not None and issubclass(spec.kind, base)
