"""Whether a step did at its end what its source says."""

from __future__ import annotations

from collections.abc import Sequence

from metaflow_hera.errors import StepError
from metaflow_hera.flow.task import NextCall
from metaflow_hera.graph.model import End, Foreach, Linear, Split, Step, Switch, Transition


def check_transition(step: Step, call: NextCall | None) -> None:
    """Raise `StepError` unless what a step did at its end is what its source says."""
    if not _is_as_written(step.transition, call):
        did = f"went to {_listed(call.targets)}" if call else "ended without self.next()"
        should = f"goes to {_listed(step.targets)}" if step.targets else "is the end of the flow"
        raise StepError(
            f"step {step.name!r} {did}, but by its source it {should}; write one self.next() as its last statement"
        )
    if call and isinstance(step.transition, Switch) and call.cases < len(step.transition.cases):
        values = ", ".join(value for value, _ in step.transition.cases)
        raise StepError(
            f"step {step.name!r}: self.next() has two cases of the same value among {values}, so that one of them "
            "can never be chosen; make them different"
        )


def _is_as_written(transition: Transition, call: NextCall | None) -> bool:
    if call is None or isinstance(transition, End):
        return call is None and isinstance(transition, End)
    found = (call.targets, call.foreach, call.condition, call.gang)
    match transition:
        case Linear(to):
            return found == ((to,), None, None, False)
        case Split(to):
            return found == (to, None, None, False)
        case Foreach(to, over, gang):
            return found == ((to,), None if gang else over, None, gang)
        case Switch(cases, condition):
            targets = {target for _, target in cases}
            return set(call.targets) <= targets and found[1:] == (None, condition, False)
        case _:
            return False


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
