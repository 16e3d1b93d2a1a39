"""From the class that the user wrote to the one that runs: what was launched with it settles what was left open."""

from __future__ import annotations

from types import FunctionType

from metaflow_hera.flow.constants import Constant
from metaflow_hera.flow.launch import Launch, holds_open
from metaflow_hera.flow.parameters import Parameter
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.written import flow_written, written_on


def prepare(flow_class: type[FlowSpec], launch: Launch) -> type[FlowSpec]:
    """The class itself where nothing was left open, else one derived from it, of the same name."""
    if has_open(flow_class):
        from metaflow_hera.flow.settling import configured, settled  # with all that configs need, which few flows have

        flow_class = settled(configured(flow_class, launch), launch)
    if launch.branch is not None or launch.production:
        from metaflow_hera.flow.project import in_branch  # few flows are of a project

        flow_class = in_branch(flow_class, launch)
    return flow_class


def has_open(flow_class: type[FlowSpec]) -> bool:
    """Whether a flow class, as the user wrote it, has configs or expressions of them."""
    attributes = dict(entry for base in reversed(flow_class.__mro__) for entry in vars(base).items())
    if any(map(_is_open, attributes.values())):
        return True
    return any(holds_open(spec.attributes) for _, specs in flow_written(flow_class) for spec in specs)


def _is_open(value: object) -> bool:
    if isinstance(value, FunctionType):
        return any(holds_open(spec.attributes) for spec in written_on(value))
    if isinstance(value, Parameter):
        return holds_open(value.written)
    return holds_open(value.value if isinstance(value, Constant) else value)
