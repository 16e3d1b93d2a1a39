"""What can be wrong with decorators and mutators that users write, and with how they are written on a flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from metaflow_hera.errors import Problem
from metaflow_hera.flow.user_decorators import (
    FlowMutator,
    GeneratorDecorator,
    StepMutator,
    UserDecorator,
    UserStepDecorator,
    takes_attributes,
)
from metaflow_hera.graph.model import DecoratorSpec

_EXAMPLE = "def {name}(step_name, flow, inputs=None, attributes=None):"
_METHODS: tuple[tuple[type[UserDecorator], str, tuple[str, ...]], ...] = (
    (UserStepDecorator, "pre_step", ("step_name", "flow", "inputs")),
    (UserStepDecorator, "post_step", ("step_name", "flow", "exception")),
    (StepMutator, "pre_mutate", ("mutable_step",)),
    (StepMutator, "mutate", ("mutable_step",)),
    (FlowMutator, "pre_mutate", ("mutable_flow",)),
    (FlowMutator, "mutate", ("mutable_flow",)),
    (UserDecorator, "add_to_package", ()),
)
"""Of each base, what its methods are called with."""


def problems_of_use(spec: DecoratorSpec, *, on_step: bool) -> Iterator[str]:
    """What is wrong with where a decorator of the user's own stands, and with its arguments, by its name."""
    is_for_steps = issubclass(spec.kind, UserStepDecorator | StepMutator)
    if on_step and not is_for_steps:
        yield f"@{spec.name} is for flows; write it above the class"
    elif not on_step and is_for_steps:
        yield f"@{spec.name} is for steps; write it above the @step of each, or use --with {spec.name}"
    else:
        yield from (f"@{spec.name} {text}" for text in _argument_problems(spec))


def problems_of_definition(kind: type[UserDecorator]) -> Iterator[Problem]:
    """What is wrong with a decorator or mutator itself, wherever it stands."""
    if issubclass(kind, GeneratorDecorator):
        for text in _generator_problems(kind.function):
            yield _at(f"@user_step_decorator {kind.__name__} {text}", kind.function)
        return
    if "__init__" in vars(kind):
        text = "has an __init__, which is never called; call it init, which gets what the decorator is written with"
        yield _at(f"{kind.__name__} {text}", vars(kind)["__init__"])
    for base, name, arguments in _METHODS:
        method = getattr(kind, name, None)
        if issubclass(kind, base) and not _takes(method, arguments):
            text = f"{name} must take what it is called with; write `def {name}(self, {', '.join(arguments)}):`"
            yield _at(f"{kind.__name__}: {text.replace('(self, )', '(self)')}", method)


def _argument_problems(spec: DecoratorSpec) -> Iterator[str]:
    kind = spec.kind
    if spec.arguments and issubclass(kind, UserStepDecorator):
        example = f"@{spec.name}(name={spec.arguments[0]!r})"
        yield f"takes no positional argument ({spec.arguments[0]!r}); name it, for example {example}"
    elif issubclass(kind, GeneratorDecorator):
        if spec.attributes and not takes_attributes(kind.function):
            example = _EXAMPLE.format(name=kind.__name__)
            yield f"got {', '.join(spec.attributes)}, but its function takes no attributes; write `{example}`"
    elif reason := _refusal(kind.init, (kind, *spec.arguments), spec.attributes):
        if kind.init is UserDecorator.init:
            reason = "it has no `def init(self, …):` to take any"
        yield f"got arguments that it does not take: {reason}"


def _generator_problems(function: Callable[..., Any]) -> Iterator[str]:
    example = _EXAMPLE.format(name=function.__name__)
    if not inspect.isgeneratorfunction(function):
        yield f"is no generator; put one yield where the step runs, in `{example}`"
        return
    least, most = _count(function)
    if least > 4 or most < 3:
        yield f"must take three or four arguments; write `{example}`"


def _count(function: Callable[..., Any]) -> tuple[int, int]:
    """How many positional arguments it takes at least and at most; too many at least for required keywords."""
    least = most = 0
    for parameter in inspect.signature(function).parameters.values():
        required = parameter.default is parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            least, most = least + required, most + 1
        elif parameter.kind is parameter.VAR_POSITIONAL:
            most += 100
        elif parameter.kind is parameter.KEYWORD_ONLY and required:
            least += 100
    return least, most


def _takes(method: object, arguments: tuple[str, ...]) -> bool:
    """Whether a method can be called with as many arguments; what is no plain method is believed to."""
    if not inspect.isfunction(method):
        return callable(method)
    least, most = _count(method)
    return least <= len(arguments) + 1 <= most


def _refusal(function: Callable[..., Any], arguments: tuple[object, ...], attributes: Any) -> str | None:
    try:
        inspect.signature(function).bind(*arguments, **attributes)
    except TypeError as error:
        return str(error)
    return None


def _at(text: str, function: object) -> Problem:
    code = getattr(function, "__code__", None)
    return Problem(text, code.co_filename, code.co_firstlineno) if code else Problem(text)
