"""Decorators of the user's own around a step while it runs: the one that was written last is the outermost."""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

from metaflow_hera.errors import StepError
from metaflow_hera.flow.spec import FlowSpec, transition
from metaflow_hera.flow.user_decorators import GeneratorDecorator, UserStepDecorator, is_step_decorator, made
from metaflow_hera.graph.model import DecoratorSpec, End, Foreach, Step, Switch


def run_wrapped(flow: FlowSpec, step: Step, arguments: Sequence[Any], specs: Sequence[DecoratorSpec]) -> None:
    """Run a step within the user's own among *specs*, the outermost first; raise what fails in the end."""
    layers = [spec for spec in specs if is_step_decorator(spec)]
    _run(_Layer(flow=flow, step=step, arguments=arguments, specs=layers))
    if transition(flow) is None:  # a function that ran instead of the step need not know where the step leads
        _lead_on(flow, step, {})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A step and the decorators around it that are still to come."""

    flow: FlowSpec
    step: Step
    arguments: Sequence[Any]
    specs: Sequence[DecoratorSpec]

    @property
    def where(self) -> str:
        return f"step {self.step.name!r}: @{self.specs[0].name}"

    @property
    def given(self) -> tuple[str, FlowSpec, Any]:
        """What the decorator is told: the step's name, the flow, and the inputs of a join."""
        return self.step.name, self.flow, self.arguments[0] if self.arguments else None

    def inside(self, choice: object) -> None:
        """Run what the decorator is around, or what it chose instead."""
        if choice is None:
            _run(_Layer(flow=self.flow, step=self.step, arguments=self.arguments, specs=self.specs[1:]))
        elif isinstance(choice, Mapping):
            self.lead_on(choice)
        elif callable(choice):
            choice(self.flow, *self.arguments)
        else:
            raise StepError(
                f"{self.where} gave {choice!r} before the step; give a function to run instead, a dictionary to skip "
                "the step, or nothing"
            )

    def lead_on(self, keywords: Mapping[str, object]) -> None:
        """Say where the step leads, unless it said so itself; *keywords* must be what its source has."""
        expected = _keywords(self.step)
        wrong = [
            name for name, value in keywords.items() if name not in expected or expected[name] not in (None, value)
        ]
        if wrong:
            source = ", ".join(f"{name}={value!r}" for name, value in expected.items() if value is not None)
            raise StepError(
                f"{self.where} gave {wrong[0]}={keywords[wrong[0]]!r} for self.next(), but where the step leads is "
                f"known by its source, {f'with {source}' if source else 'without any such argument'}; give {{}}"
            )
        if keywords or transition(self.flow) is None:
            _lead_on(self.flow, self.step, keywords)


def _run(layer: _Layer) -> None:
    if not layer.specs:
        getattr(layer.flow, layer.step.name)(*layer.arguments)
        return
    decorator = made(layer.specs[0])
    if isinstance(decorator, GeneratorDecorator):
        outcome, error = _through_generator(layer, decorator.begun(*layer.given))
    else:
        outcome, error = _through_methods(layer, decorator)
    raised, keywords = _parts(layer, outcome)
    if raised is not None and raised is not error:
        raise raised from error
    if raised is not None:
        raise raised
    if error is not None or keywords is not None:
        layer.lead_on(keywords or {})


def _through_methods(layer: _Layer, decorator: UserStepDecorator) -> tuple[object, Exception | None]:
    """What the decorator made of the step in the end, and what the step raised."""
    error: Exception | None = None
    choice = decorator.pre_step(*layer.given)
    skip = decorator.skip_step
    if isinstance(choice, Mapping):
        raise StepError(f"{layer.where} returned {choice!r} from pre_step; to skip the step, set self.skip_step = True")
    try:
        layer.inside(({} if skip is True else skip) if skip is not None and skip is not False else choice)
    except Exception as raised:  # noqa: BLE001  (the user's step may raise anything, and its decorator may catch it)
        error = raised
    return decorator.post_step(layer.step.name, layer.flow, error), error


def _through_generator(layer: _Layer, generator: Generator[Any, None, Any]) -> tuple[object, Exception | None]:
    """The same for a generator; what is no `Exception` it can see, but not catch."""
    try:
        choice = next(generator)
    except StopIteration:
        raise StepError(f"{layer.where} ended without a yield; yield once, also where the step is skipped") from None
    try:
        layer.inside(choice)
    except BaseException as raised:
        outcome = _resumed(layer, generator, partial(generator.throw, raised), raised)
        if not isinstance(raised, Exception):
            raise
        return outcome, raised
    return _resumed(layer, generator, partial(next, generator), None), None


def _resumed(
    layer: _Layer, generator: Generator[Any, None, Any], resume: Callable[[], object], error: BaseException | None
) -> object:
    """What a generator returns when it goes on behind its yield."""
    try:
        resume()
    except StopIteration as stop:
        if stop is error:
            raise
        return stop.value
    except RuntimeError as raised:
        if error is not None and isinstance(error, StopIteration) and raised.__cause__ is error:
            raise error from None  # Python changes one that a generator lets through
        raise
    with suppress(BaseException):
        generator.close()
    raise StepError(f"{layer.where} yields a second time; what stands before its one yield runs before the step")


def _parts(layer: _Layer, outcome: object) -> tuple[BaseException | None, Mapping[str, object] | None]:
    """What a decorator wants raised, and what it gives for ``self.next``."""
    raised, keywords = outcome if isinstance(outcome, tuple) and len(outcome) == 2 else (outcome, None)
    if not (raised is None or isinstance(raised, BaseException)) or not (
        keywords is None or isinstance(keywords, Mapping)
    ):
        raise StepError(
            f"{layer.where} gave {outcome!r} after the step; give an exception, nothing, or both that and a "
            "dictionary of arguments for self.next()"
        )
    return raised, keywords


def _keywords(step: Step) -> dict[str, object]:
    """What the source gives ``self.next`` besides steps; None for what is known only when it runs."""
    match step.transition:
        case Foreach(gang=True):
            return {"num_parallel": None}
        case Foreach(_, over):
            return {"foreach": over}
        case Switch(_, condition):
            return {"condition": condition}
        case _:
            return {}


def _lead_on(flow: FlowSpec, step: Step, keywords: Mapping[str, object]) -> None:
    """Call ``self.next`` as the step's source does."""
    if isinstance(step.transition, End):
        return
    given = {**_keywords(step), **keywords}
    if "num_parallel" in given and given["num_parallel"] is None:
        raise StepError(
            f"step {step.name!r}: how many tasks come next is known to the step alone, which did not get there; let "
            "its decorator give {'num_parallel': …}"
        )
    assert flow._mfhera_task is not None
    flow._mfhera_task.call = None
    flow.next(*_targets(flow, step), **given)


def _targets(flow: FlowSpec, step: Step) -> tuple[Any, ...]:
    if isinstance(step.transition, Switch):
        return ({_case(flow, text): getattr(flow, target) for text, target in step.transition.cases},)
    return tuple(getattr(flow, target) for target in step.targets)


def _case(flow: FlowSpec, text: str) -> object:
    """The value of a case: a literal, or ``self.config.key``."""
    try:
        return ast.literal_eval(text)
    except ValueError:
        return reduce(getattr, text.split(".")[1:], flow)
