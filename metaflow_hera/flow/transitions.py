"""Whether a step did at its end what its source says."""

from __future__ import annotations

from collections.abc import Sequence

from metaflow_hera.errors import StepError
from metaflow_hera.flow.task import NextCall
from metaflow_hera.graph.model import End, Foreach, Linear, Split, Step, Switch


def check_transition(step: Step, call: NextCall | None) -> None:
    """Raise `StepError` unless what a step did at its end is what its source says."""
    found = None if call is None else (call.targets, call.foreach, call.condition)
    expected: object
    match step.transition:
        case Linear(to):
            expected = ((to,), None, None)
        case Split(to):
            expected = (to, None, None)
        case Foreach(to, over):
            expected = ((to,), over, None)
        case Switch(_, condition):
            expected = (
                (call.targets, None, condition) if call and set(call.targets) <= set(step.targets) else step.targets
            )
        case End():
            expected = None
        case _:
            expected = step.targets
    if found != expected:
        did = f"went to {_listed(call.targets)}" if call else "ended without self.next()"
        should = f"goes to {_listed(step.targets)}" if step.targets else "is the end of the flow"
        raise StepError(
            f"step {step.name!r} {did}, but by its source it {should}; write one self.next() as its last statement"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
