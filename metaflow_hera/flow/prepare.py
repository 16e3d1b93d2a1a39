"""From the class that the user wrote to the one that runs: what was launched with it settles what was left open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from metaflow_hera.flow.constants import Constant
from metaflow_hera.flow.launch import Launch, holds_open
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.written import flow_written, written_on

if TYPE_CHECKING:
    from metaflow_hera.graph.model import DecoratorSpec


def prepare(flow_class: type[FlowSpec], launch: Launch) -> type[FlowSpec]:
    """The class itself where nothing was left open, else one derived from it, of the same name; safe to repeat.

    `decorated` follows: what `prepare` gives has the parameters of the flow, but not all decorators.
    """
    is_open = has_open(flow_class)
    if is_open:
        from metaflow_hera.flow.settling import configured  # with all that configs need, which few flows have

        flow_class = configured(flow_class, launch)
    if has_own_kinds(flow_class):
        from metaflow_hera.flow.mutators import pre_mutated  # few flows have any

        flow_class = pre_mutated(flow_class, _resolver(flow_class, launch) if is_open else lambda value: value)
    if is_open or has_open(flow_class):
        from metaflow_hera.flow.settling import settled  # as above

        flow_class = settled(flow_class, launch)
    if launch.branch is not None or launch.production:
        from metaflow_hera.flow.project import in_branch  # few flows are of a project

        flow_class = in_branch(flow_class, launch)
    return flow_class


def decorated(flow_class: type[FlowSpec], added: Sequence[DecoratorSpec] = ()) -> type[FlowSpec]:
    """What `prepare` gave, with the decorators of ``--with`` on its steps, and as its mutators leave it in the end."""
    if added:
        from metaflow_hera.flow.derived import with_added  # for --with only

        flow_class = with_added(flow_class, added)
    if has_own_kinds(flow_class):
        from metaflow_hera.flow.mutators import mutated  # few flows have any

        flow_class = mutated(flow_class)
    return flow_class


def has_own_kinds(flow_class: type[FlowSpec]) -> bool:
    """Whether there is a decorator or mutator on the flow, or on a step of it, that its user wrote."""
    of_steps = (spec for step in steps_of(flow_class).values() for spec in written_on(step))
    of_flow = (spec for _, specs in flow_written(flow_class) for spec in specs)
    return any(spec.kind is not None for spec in (*of_steps, *of_flow))


def _resolver(flow_class: type[FlowSpec], launch: Launch) -> Callable[[Any], Any]:
    """What puts the values of a launch in the place of expressions."""
    from metaflow_hera.flow.delayed import resolved  # as above
    from metaflow_hera.flow.settling import config_names

    return partial(resolved, names=config_names(flow_class, launch))


def has_open(flow_class: type[FlowSpec]) -> bool:
    """Whether a flow class, as the user wrote it, has configs or expressions of them."""
    attributes = dict(entry for base in reversed(flow_class.__mro__) for entry in vars(base).items())
    if any(map(_is_open, attributes.values())):
        return True
    return any(_is_open_in(spec) for _, specs in flow_written(flow_class) for spec in specs)


def _is_open(value: object) -> bool:
    if isinstance(value, FunctionType):
        return any(map(_is_open_in, written_on(value)))
    if isinstance(value, Parameter):
        return holds_open(value.written)
    return holds_open(value.value if isinstance(value, Constant) else value)


def _is_open_in(spec: DecoratorSpec) -> bool:
    return holds_open(spec.attributes) or holds_open(spec.arguments)
