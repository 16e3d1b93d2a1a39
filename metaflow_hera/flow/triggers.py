"""@trigger and @trigger_on_finish: what starts runs of the deployed flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from metaflow_hera.errors import FlowError, Problem
from metaflow_hera.flow.current import current
from metaflow_hera.flow.decorator import FlowDecorator
from metaflow_hera.flow.decorators import flow_decorators
from metaflow_hera.flow.events import (
    UNKNOWN,
    Call,
    Event,
    Upstream,
    items,
    not_yet,
    option_problems,
    read_events,
    read_flows,
)
from metaflow_hera.flow.parameters import parameters_of
from metaflow_hera.settings import Settings

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class trigger(FlowDecorator):  # noqa: N801  (decorators have the peer's names)
    """Run the deployed flow when an event comes, or all of several; fields of its payload can become parameters."""

    event: str | Mapping[str, Any] | Callable[..., Any] | None = None
    events: list[Any] | tuple[Any, ...] | Callable[..., Any] = ()
    options: Mapping[str, Any] = _NOTHING

    def problems(self) -> Iterator[str]:
        wrong: list[str] = []
        list(self.read(not_yet, wrong))
        yield from wrong
        yield from option_problems(self.options)

    def problems_in(self, flow_class: type) -> Iterator[str]:
        yield from self.unknown_parameters(self.read(not_yet, []), flow_class)

    def read(self, call: Call, wrong: list[str]) -> Iterator[Event]:
        written = items(self.event, self.events, ("event", "events"), call, wrong)
        yield from read_events(written, call, wrong)

    @staticmethod
    def unknown_parameters(events: Iterable[Event], flow_class: type) -> Iterator[str]:
        known = [parameter.name for parameter in parameters_of(flow_class).values()]
        for event in events:
            for name in event.parameters or ():
                if name not in known:
                    there = f"it has {', '.join(known)}" if known else "it has none"
                    yield f"the event {event.name!r} gives parameter {name!r}, which the flow does not have; {there}"


class trigger_on_finish(FlowDecorator):  # noqa: N801
    """Run the deployed flow when a run of another one has succeeded, or of all of several."""

    flow: str | Mapping[str, Any] | Callable[..., Any] | None = None
    flows: list[Any] | tuple[Any, ...] | Callable[..., Any] = ()
    options: Mapping[str, Any] = _NOTHING

    def problems(self) -> Iterator[str]:
        wrong: list[str] = []
        list(self.read(not_yet, wrong))
        yield from wrong
        yield from option_problems(self.options)

    def problems_in(self, flow_class: type) -> Iterator[str]:
        if not _has_project(flow_class):
            yield from self.incomplete(self.read(not_yet, []))

    def read(self, call: Call, wrong: list[str]) -> Iterator[Upstream]:
        written = items(self.flow, self.flows, ("flow", "flows"), call, wrong)
        yield from read_flows(written, call, wrong)

    @staticmethod
    def incomplete(upstreams: Iterable[Upstream]) -> Iterator[str]:
        for upstream in upstreams:
            if (upstream.project is None) is not (upstream.branch is None):
                lacks = "project" if upstream.project is None else "project_branch"
                yield f"the flow {upstream.flow!r} needs a {lacks}, too, unless this flow has @project itself"


def _has_project(flow_class: type) -> bool:
    return any(each.spec.name == "project" for each in flow_decorators(flow_class))


class NamespacedEvent:
    """The name of an event that is another one in each branch of a project; called, it gives that."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.__name__ = f"namespaced_event_name({name!r})"

    def __call__(self, context: object = None) -> str:
        place = [current.get("project_name"), current.get("branch_name")]
        return ".".join(filter(None, [Settings.load().namespaced_events_prefix or "mfns", *place, self._name]))

    def __repr__(self) -> str:
        return self.__name__


def namespaced_event_name(name: str) -> NamespacedEvent:
    """For @trigger: the event *name* of the project and branch in which the flow is deployed."""
    return NamespacedEvent(name)


def triggers_of(flow_class: type, context: object) -> tuple[tuple[Event, ...], tuple[Upstream, ...]]:
    """What starts runs of a checked flow; deploy-time functions are called, with *context*.

    `FlowError` with everything that is wrong with what they gave.
    """
    events: list[Event] = []
    upstreams: list[Upstream] = []
    problems: list[str] = []
    for decorator in flow_decorators(flow_class):
        wrong: list[str] = []
        call = _calling(context, wrong)
        if isinstance(decorator, trigger):
            events += decorator.read(call, wrong)
            wrong += decorator.unknown_parameters(events, flow_class)
        elif isinstance(decorator, trigger_on_finish):
            found = [_of_project(upstream) for upstream in decorator.read(call, wrong)]
            wrong += decorator.incomplete(found)
            upstreams += found
        problems += [f"flow {flow_class.__name__}: @{type(decorator).name}: {text}" for text in wrong]
    if problems:
        raise FlowError([Problem(text) for text in problems])
    return tuple(events), tuple(upstreams)


def _of_project(upstream: Upstream) -> Upstream:
    """In a flow of a project, a flow means the one of the same project and branch, unless it says otherwise."""
    return upstream._replace(
        project=upstream.project or current.get("project_name"), branch=upstream.branch or current.get("branch_name")
    )


def _calling(context: object, wrong: list[str]) -> Call:
    def call(function: Callable[..., Any]) -> object:
        try:
            return function(context)
        except Exception as error:  # noqa: BLE001  (the user's function may raise anything)
            name = getattr(function, "__name__", repr(function))
            wrong.append(f"the function {name} raised {type(error).__name__}: {error}")
            return UNKNOWN

    return call
