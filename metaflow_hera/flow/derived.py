"""Classes that are like a flow's but for what its launch changes, so that the user's own class stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

from metaflow_hera.flow.decorators import STEP_DECORATORS
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.written import WRITTEN, written_on
from metaflow_hera.graph.model import DecoratorSpec


class Settled:
    """A base of every class that `derived` makes.

    It keeps what the user's classes do at their definition, in ``__init_subclass__``, from being done once more.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        pass


def derived(flow_class: type[FlowSpec], changed: Mapping[str, object]) -> type[FlowSpec]:
    """A class that is like *flow_class* and named like it, but for the attributes that are *changed*."""
    namespace: dict[str, Any] = {
        "__doc__": flow_class.__doc__,
        "__module__": flow_class.__module__,
        "__qualname__": flow_class.__qualname__,
        **changed,
    }
    bases = (flow_class,) if issubclass(flow_class, Settled) else (Settled, flow_class)
    kind: Any = type(flow_class)
    made: type[FlowSpec] = kind(flow_class.__name__, bases, namespace)
    return made


def with_decorators(step: FunctionType, specs: tuple[DecoratorSpec, ...]) -> FunctionType:
    """A copy of a step with other decorators, *specs* from the top of the source downwards."""
    copy = FunctionType(step.__code__, step.__globals__, step.__name__, step.__defaults__, step.__closure__)
    copy.__kwdefaults__, copy.__annotations__ = step.__kwdefaults__, step.__annotations__
    copy.__qualname__, copy.__doc__, copy.__module__ = step.__qualname__, step.__doc__, step.__module__
    vars(copy).update(vars(step))
    setattr(copy, WRITTEN, specs[::-1])
    return copy


def with_added(flow_class: type[FlowSpec], added: Sequence[DecoratorSpec]) -> type[FlowSpec]:
    """The class with decorators around all its steps that have none of their name; the first of a name counts."""
    changed: dict[str, object] = {}
    for name, step in steps_of(flow_class).items():
        specs = written_on(step)
        for spec in added:
            repeats = spec.kind is None and STEP_DECORATORS[spec.name].repeats
            if repeats or all(spec.name != other.name for other in specs):
                specs = (spec, *specs)
        if specs != written_on(step):
            changed[name] = with_decorators(step, specs)
    return derived(flow_class, changed) if changed else flow_class
