"""What ``self.next`` was called with, or a sentence on why that is no transition."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

from metaflow_hera.errors import StepError
from metaflow_hera.flow.foreach import count_items
from metaflow_hera.flow.steps import steps_of
from metaflow_hera.flow.task import NextCall, scope_of

if TYPE_CHECKING:
    from metaflow_hera.flow.spec import FlowSpec

KINDS = ("foreach", "condition", "num_parallel")
"""The keywords of ``self.next``, at most one of which is given."""


def next_call(flow: FlowSpec, targets: tuple[Any, ...], options: dict[str, Any], where: str) -> NextCall:
    """The transition; *where* begins each sentence about what is wrong with it."""
    if unknown := [name for name in options if name not in KINDS]:
        raise StepError(f"{where} takes foreach=, condition= or num_parallel=, not {', '.join(unknown)}")
    if "condition" in options or any(isinstance(target, dict) for target in targets):
        return _switch(flow, targets, options, where)
    if len(options) > 1:
        raise StepError(f"{where} takes either foreach= or num_parallel=, not both")
    names = tuple(_step_name(flow, target, where) for target in targets)
    if not names:
        raise StepError(f"{where} names no step; write for example self.next(self.end)")
    for kind in options:
        if len(names) != 1:
            raise StepError(f"{where} with {kind} goes to one step, not to {', '.join(names)}")
    if "foreach" in options:
        return _foreach(flow, names, options["foreach"], where)
    return _gang(names, options["num_parallel"], where) if options else NextCall(targets=names)


def _foreach(flow: FlowSpec, names: tuple[str, ...], over: object, where: str) -> NextCall:
    if not isinstance(over, str):
        raise StepError(f"{where} takes the name of an artifact as foreach, in quotes, not {type(over).__name__}")
    step = scope_of(flow).step
    value = _attribute(flow, over, f"step {step!r}: the foreach goes over {over!r}")
    return NextCall(targets=names, foreach=over, splits=count_items(value, step, over))


def _gang(names: tuple[str, ...], size: object, where: str) -> NextCall:
    try:
        count = 0 if isinstance(size, bool) else index(size)  # type: ignore[arg-type]
    except TypeError:
        count = 0
    if count < 1:
        raise StepError(f"{where} takes a whole number of at least 1 as num_parallel, not {size!r}")
    return NextCall(targets=names, splits=count, gang=True)


def _switch(flow: FlowSpec, targets: tuple[Any, ...], options: dict[str, Any], where: str) -> NextCall:
    condition = options.get("condition")
    if len(targets) != 1 or not isinstance(targets[0], dict) or not isinstance(condition, str) or len(options) != 1:
        raise StepError(f"{where} takes either steps, or one dictionary of steps and condition='artifact'")
    cases = targets[0]
    value = _attribute(flow, condition, f"{where} has the condition {condition!r}")
    try:
        target = cases[value]
    except (KeyError, TypeError) as error:
        known = ", ".join(map(repr, cases)) or "nothing"
        raise StepError(f"{where}: {condition!r} is {value!r}, which is none of the cases {known}") from error
    return NextCall(targets=(_step_name(flow, target, where),), condition=condition, cases=len(cases))


def _step_name(flow: FlowSpec, target: object, where: str) -> str:
    function = getattr(target, "__func__", None)
    for name, method in steps_of(type(flow)).items():
        if method is function:
            return name
    raise StepError(
        f"{where} got {target!r}, which is no step of {flow.name}; write steps as self.a, and @step above each"
    )


def _attribute(flow: FlowSpec, name: str, where: str) -> object:
    try:
        return getattr(flow, name)
    except AttributeError as error:
        raise StepError(f"{where}, but self.{name} is not set; set it before self.next()") from error
