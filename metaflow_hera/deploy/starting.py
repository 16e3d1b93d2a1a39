"""What starts runs of a deployment by itself: its flow's schedule, and the events that its decorators name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from metaflow_hera.argo.cron import five_fields
from metaflow_hera.deploy.projects import project_facts
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import FlowError, Problem, UsageError
from metaflow_hera.event_names import END_EVENT, flow_event
from metaflow_hera.flow.current import provided
from metaflow_hera.flow.decorators import FLOW_DECORATORS, flow_decorators, schedule
from metaflow_hera.flow.parameter_values import ParameterContext, log_to_stderr
from metaflow_hera.flow.written import flow_written
from metaflow_hera.graph.parse import problem_of_decorator
from metaflow_hera.plan.records import Concurrency, EventSource, Parameter, Plan, Reset, Schedule, Triggers
from metaflow_hera.records.events import Awaited
from metaflow_hera.settings import Settings, peer_names, variable

if TYPE_CHECKING:
    from metaflow_hera.flow.events import Event, Upstream
    from metaflow_hera.graph.model import DecoratorSpec

_SCHEDULE: Final = "schedule"
_DECORATORS: Final = ("trigger", "trigger_on_finish")
_NEEDED: Final = ("event_source", "event_name", "sensor_service_account")
_BUS: Final = "default"


def check_beginnings(flow: CheckedFlow) -> None:
    """`FlowError` with all that keeps decorators from starting runs, as far as no function has to be called."""
    problems = [
        problem_of_decorator(flow.flow_class, base, spec.name, f"@{spec.name}: {text}")
        for base, spec in _beginnings(flow.flow_class)
        for text in _problems(spec, flow)
    ]
    if problems:
        raise FlowError(problems)


def _beginnings(flow_class: type) -> Iterator[tuple[type, DecoratorSpec]]:
    """Its decorators that start runs; of a schedule of its own and of an inherited one, the former."""
    names = set()
    for base, specs in flow_written(flow_class):
        for spec in specs:
            if spec.name in _DECORATORS or (spec.name == _SCHEDULE and spec.name not in names):
                yield base, spec
            names.add(spec.name)


def _problems(spec: DecoratorSpec, flow: CheckedFlow) -> Iterator[str]:
    decorator = FLOW_DECORATORS[spec.name](**spec.attributes)
    if isinstance(decorator, schedule):
        line = decorator.expression
        for parameter in flow.parameters if line else ():
            if parameter.required:
                yield f"parameter {parameter.name!r} has no default, and a scheduled run has nobody to give it a value"
    else:
        line = (getattr(decorator, "options", {}).get("reset_at") or {}).get("cron")
    try:
        five_fields(line or "* * * * *")
    except FlowError as error:
        yield str(error)


def schedule_of(flow: CheckedFlow) -> Schedule | None:
    decorator = next((each for each in flow_decorators(flow.flow_class) if isinstance(each, schedule)), None)
    if decorator is None or decorator.expression is None:
        return None
    return Schedule(
        cron=five_fields(decorator.expression),
        timezone=decorator.timezone or "UTC",
        concurrency=Concurrency(decorator.concurrency_policy),
        starting_deadline=decorator.starting_deadline,
        successful_runs=decorator.successful_runs_limit,
        failed_runs=decorator.failed_runs_limit,
    )


def triggers_of_flow(flow: CheckedFlow, parameters: Sequence[Parameter], settings: Settings) -> Triggers | None:
    """The events that start a run, all together; deploy-time functions are called. None if none do.

    `FlowError` with everything that is wrong with what those functions gave.
    """
    if not any(spec.name in _DECORATORS for spec in flow.graph.decorators):
        return None
    from metaflow_hera.flow.triggers import triggers_of  # few flows are triggered

    kind = "s3" if settings.datastore.startswith("s3://") else "local"
    context = ParameterContext(flow.name, settings.user, "", log_to_stderr, kind, flow.launch.configs)
    with provided(project_facts(flow.graph, settings.user)):
        events, upstreams = triggers_of(flow.flow_class, context)
    files = frozenset(parameter.name for parameter in flow.parameters if parameter.is_file)
    _refuse_files(flow, events, files)
    required = frozenset(parameter.name for parameter in parameters if parameter.value is None)
    ends = tuple(map(_end_of, upstreams))
    is_alone = len(events) + len(ends) == 1
    same = {parameter.name: parameter.name for parameter in parameters if parameter.name not in files}
    return Triggers(
        events=(*(_awaited(event, same if is_alone else {}, required) for event in events), *ends),
        resets=tuple(_resets(flow)),
        source=_source(settings),
    )


def _awaited(event: Event, unless_said: Mapping[str, str], required: frozenset[str]) -> Awaited:
    """Without a word about parameters, an event that starts runs alone gives those that its fields are named after."""
    mapping = dict(unless_said if event.parameters is None else event.parameters)
    needed = dict.fromkeys(field for name, field in mapping.items() if name in required)
    return Awaited(name=event.name, parameters=mapping, required=tuple(needed))


def _end_of(upstream: Upstream) -> Awaited:
    project, branch = upstream.project or "", upstream.branch or ""
    name = flow_event(upstream.flow, END_EVENT, project, branch)
    return Awaited(name=name, flow=upstream.flow, project=project, branch=branch)


def _refuse_files(flow: CheckedFlow, events: Sequence[Event], files: frozenset[str]) -> None:
    problems = [
        Problem(f"flow {flow.name}: @trigger: the event {event.name!r} cannot give {name!r}, which is an included file")
        for event in events
        for name in event.parameters or ()
        if name in files
    ]
    if problems:
        raise FlowError(problems)


def _resets(flow: CheckedFlow) -> Iterator[Reset]:
    for decorator in flow_decorators(flow.flow_class):
        reset = getattr(decorator, "options", {}).get("reset_at") if decorator.name in _DECORATORS else None
        if reset:
            yield Reset(cron=five_fields(reset["cron"]), timezone=reset.get("timezone") or "UTC")


def _source(settings: Settings) -> EventSource | None:
    if not (settings.event_source and settings.event_name):
        return None
    return EventSource(
        name=settings.event_source,
        event=settings.event_name,
        bus=settings.event_bus or _BUS,
        service_account=settings.sensor_service_account,
    )


def check_for_cluster(plan: Plan, settings: Settings) -> None:
    """Refuse a plan whose events nobody would bring on a cluster, and an address that would betray a password."""
    missing = [" or ".join((variable(name), *peer_names(name))) for name in _NEEDED if not getattr(settings, name)]
    if plan.triggers is not None and missing:
        raise UsageError(
            f"{plan.name}: events start its runs, and on a cluster Argo Events brings them: set {', '.join(missing)}, "
            "which are those of your EventSource and of the Sensor to make"
        )
    url = urlsplit(settings.pod_events_url or settings.events_url)
    if url.password:
        raise UsageError(
            f"the address of the event webhook holds a password, which everybody could read in the manifest: put "
            f"{variable('events_url')} into a Kubernetes Secret and name that in {variable('pod_secrets')}"
        )


def told(triggers: Triggers) -> str:
    """What starts a run, as the end of a sentence."""
    events = [_awaited_text(each) for each in triggers.events]
    text = f"when {events[0]}" if len(events) == 1 else f"when all of this has come: {'; '.join(events)}"
    resets = " and ".join(f"{each.cron} ({each.timezone})" for each in triggers.resets)
    return f"{text}; what came so far is forgotten at {resets}" if resets else text


def _awaited_text(awaited: Awaited) -> str:
    if awaited.flow:
        name = ".".join(filter(None, (awaited.project, awaited.branch, awaited.flow)))
        return f"a run of {name} succeeds"
    given = ", ".join(f"{name} from {field!r}" for name, field in awaited.parameters.items())
    return f"the event {awaited.name} is published" + (f" (with {given})" if given else "")
