"""Where decorators leave what was written: all of them that a flow without decorators needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaflow_hera.graph.model import DecoratorSpec

WRITTEN = "_mfhera_decorators"
"""The attribute of a function or a class with the decorators on it, the innermost first."""


def written_on(target: object) -> tuple[DecoratorSpec, ...]:
    """The decorators on a function or on this very class, from the top of the source downwards."""
    written: tuple[DecoratorSpec, ...] = vars(target).get(WRITTEN, ())
    return written[::-1]
