"""Where decorators leave what was written: all of them that a flow without decorators needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from metaflow_hera.graph.model import DecoratorSpec

T = TypeVar("T")

WRITTEN = "_mfhera_decorators"
"""The attribute of a function or a class with the decorators on it, the innermost first."""


def write_down(target: T, spec: DecoratorSpec) -> T:
    """Put a decorator above all that stand on *target*."""
    setattr(target, WRITTEN, (*vars(target).get(WRITTEN, ()), spec))
    return target


def written_on(target: object) -> tuple[DecoratorSpec, ...]:
    """The decorators on a function or on this very class, from the top of the source downwards."""
    written: tuple[DecoratorSpec, ...] = vars(target).get(WRITTEN, ())
    return written[::-1]


FLOW_WRITTEN = "_mfhera_flow_decorators"
"""The attribute of a class that a launch settled with what `flow_written` gives, in place of what its bases have."""


def flow_written(flow_class: type) -> tuple[tuple[type, tuple[DecoratorSpec, ...]], ...]:
    """The decorators on a flow class and on each of its bases, from itself upwards, as its launch left them."""
    settled: tuple[tuple[type, tuple[DecoratorSpec, ...]], ...] | None = getattr(flow_class, FLOW_WRITTEN, None)
    return tuple((base, written_on(base)) for base in flow_class.__mro__) if settled is None else settled
