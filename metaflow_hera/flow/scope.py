"""What the runtime gives to a flow object before a step runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from metaflow_hera.errors import StepError


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeachFrame:
    """A foreach around a task: which step opened it, over which attribute, and which item of how many this is."""

    step: str
    over: str
    index: int
    count: int
    item: Callable[[], object]
    """Loads the item."""

    # The peer's names, for flows that look at self._foreach_stack.

    @property
    def var(self) -> str:
        return self.over

    @property
    def num_splits(self) -> int:
        return self.count

    @property
    def value(self) -> object:
        return self.item()


def _no_identity(name: str) -> str:
    raise StepError(f"the artifact {name!r} has no stored content to compare")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScope:
    """What a step finds when it begins."""

    step: str
    inherited: Mapping[str, object] = field(default_factory=dict)
    """Artifacts, each loaded when it is asked for."""
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Parameters and constants by attribute, each loaded when it is asked for; read-only."""
    frames: tuple[ForeachFrame, ...] = ()
    """Outermost first."""
    identity: Callable[[str], str] = _no_identity
    """What tells two contents of an inherited artifact apart without loading them."""
