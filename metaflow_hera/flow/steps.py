"""Steps: methods with a mark. Which methods of a class are its steps, and where their source is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, TypeVar, overload

from metaflow_hera.flow.written import WRITTEN, written_on

F = TypeVar("F", bound=Callable[..., Any])

BELOW = "_mfhera_below"
"""The attribute of a step with the names of decorators that stand below its ``@step``."""


@overload
def step(function: F, /) -> F: ...
@overload
def step(*, start: bool = False, end: bool = False) -> Callable[[F], F]: ...
def step(function: Any = None, /, *, start: bool = False, end: bool = False) -> Any:
    """Make a method a step; ``start`` and ``end`` mark the first and the last one where they are not called so."""
    if function is None:
        return lambda method: _marked(method, start, end)
    return _marked(function, start, end)


def _marked(function: Any, start: bool, end: bool) -> Any:
    if not isinstance(function, FunctionType):
        raise TypeError(f"@step makes a method of a flow class a step; it was put on {function!r}")
    marked: Any = function
    marked.is_step, marked.name = True, function.__name__
    marked.is_start, marked.is_end = start, end
    if written := written_on(function):
        setattr(function, BELOW, tuple(spec.name for spec in written))
    return function


def is_step(value: object) -> bool:
    return isinstance(value, FunctionType) and vars(value).get("is_step", False) is True


def steps_of(flow_class: type) -> dict[str, FunctionType]:
    """The steps of a flow class by name, those of its bases first; its own replace inherited ones."""
    steps: dict[str, FunctionType] = {}
    for base in reversed(flow_class.__mro__):
        for name, value in vars(base).items():
            if is_step(value):
                steps[name] = value
            else:
                steps.pop(name, None)
    return steps


def unmarked_methods(flow_class: type) -> Iterator[tuple[str, FunctionType]]:
    """Methods with step decorators but without ``@step``."""
    for base in flow_class.__mro__:
        for name, value in vars(base).items():
            if isinstance(value, FunctionType) and WRITTEN in vars(value) and not is_step(value):
                yield name, value


def original(function: FunctionType) -> FunctionType:
    """The function that the user wrote, behind decorators that keep it with `functools.wraps`."""
    seen = {id(function)}
    while isinstance(inner := vars(function).get("__wrapped__"), FunctionType) and id(inner) not in seen:
        function = inner
        seen.add(id(function))
    return function
