"""What a deployer says of the life of runs: how long they may take, how long they are kept, and who is told of ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, Unpack

from metaflow_hera.deploy.projects import project_of_flow
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import UsageError
from metaflow_hera.labels import Annotations
from metaflow_hera.notifications import VARIABLES, channels_of
from metaflow_hera.notifications.message import shortened
from metaflow_hera.plan.options import Notices
from metaflow_hera.plan.records import Ttl
from metaflow_hera.settings import Settings, variable

POD_GC: Final = ("OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess")
"""When Argo deletes ended pods, in its own words."""

INT32: Final = 2**31
"""Of which a priority is one; the seconds of a TTL, too."""

TITLE_LIMIT: Final = 200
DESCRIPTION_LIMIT: Final = 10_000
"""Characters: all annotations of an object together may have 256 KiB."""

HOW_TO_HIDE: Final = (
    "kubectl create secret generic NAME --from-literal={}=…, then give --notify-secret NAME or MFHERA_NOTIFY_SECRET"
)


class LifecycleOptions(TypedDict, total=False):
    """The fields of a `Lifecycle`."""

    workflow_timeout: int | None
    workflow_priority: int | None
    ttl: int | None
    ttl_after_success: int | None
    ttl_after_failure: int | None
    pod_gc: str | None
    workflow_title: str | None
    workflow_description: str | None
    notify_on_error: bool
    notify_on_success: bool
    notify_secret: str | None
    incident_io_alert_source_config_id: str | None
    incident_io_metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Of the runs of one deployment; None is what the settings say."""

    workflow_timeout: int | None = None
    """Seconds that a whole run may take."""
    workflow_priority: int | None = None
    ttl: int | None = None
    """Seconds after its end for which a Workflow is kept."""
    ttl_after_success: int | None = None
    ttl_after_failure: int | None = None
    pod_gc: str | None = None
    workflow_title: str | None = None
    workflow_description: str | None = None
    notify_on_error: bool = False
    notify_on_success: bool = False
    notify_secret: str | None = None
    """The Kubernetes Secret with the URLs and keys of channels."""
    incident_io_alert_source_config_id: str | None = None
    incident_io_metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, **options: Unpack[LifecycleOptions]) -> Lifecycle:
        """`UsageError` for what is no option."""
        if unknown := options.keys() - LifecycleOptions.__annotations__.keys():
            raise UsageError(f"there is no option {', '.join(sorted(unknown))}; see deploy()")
        return cls(**options)


def compiled_lifecycle(chosen: Lifecycle, settings: Settings) -> dict[str, Any]:
    """What `plan.options.CompileOptions` gets; `UsageError` with everything that is wrong."""
    problems: list[str] = []
    number, notices = _Numbers(chosen, settings, problems), _notices(chosen, settings)
    ttl = Ttl(
        completion=number("ttl", 0), success=number("ttl_after_success", 0), failure=number("ttl_after_failure", 0)
    )
    known = {
        "deadline": number("workflow_timeout", 1),
        "priority": number("workflow_priority", -INT32),
        "ttl": None if ttl == Ttl() else ttl,
        "pod_gc": _pod_gc(chosen, settings, problems),
        "notices": notices,
    }
    problems += _channel_problems(notices, settings)
    if problems:
        raise UsageError("\n".join(problems))
    return known


def described(chosen: Lifecycle, flow: CheckedFlow, user: str) -> dict[str, str]:
    """The annotations by which Argo's web pages show what is deployed; Argo evaluates nothing in them."""
    project = project_of_flow(flow.graph.decorators, user)
    name = f"{project.name}.{project.branch}.{flow.name}" if project else flow.name
    title = chosen.workflow_title if chosen.workflow_title is not None else name
    description = chosen.workflow_description if chosen.workflow_description is not None else flow.graph.doc
    known = {
        Annotations.TITLE: shortened(" ".join(title.split()), TITLE_LIMIT),
        Annotations.DESCRIPTION: shortened(description, DESCRIPTION_LIMIT),
    }
    return {name: text for name, text in known.items() if text}


@dataclass(frozen=True)
class _Numbers:
    """Reads options that are numbers, or the settings of their names; adds to the problems what is none."""

    chosen: Lifecycle
    settings: Settings
    problems: list[str]

    def __call__(self, name: str, least: int) -> int | None:
        value = getattr(self.chosen, name)
        origin = f"--{name.replace('_', '-')}"
        if value is None:
            value, origin = getattr(self.settings, name), self.settings.origins.get(name, "")
            if value == "":
                return None
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = None
        if number is None or isinstance(value, bool) or not least <= number < INT32:
            self.problems.append(f"{origin} must be a whole number from {least} to {INT32 - 1}, not {value!r}")
            return None
        return number


def _pod_gc(chosen: Lifecycle, settings: Settings, problems: list[str]) -> str:
    strategy = chosen.pod_gc or settings.pod_gc
    if strategy and strategy not in POD_GC:
        origin = "--pod-gc" if chosen.pod_gc else settings.origins.get("pod_gc", "")
        problems.append(f"{origin} must be one of {', '.join(POD_GC)}, not {strategy!r}")
    return strategy


def _notices(chosen: Lifecycle, settings: Settings) -> Notices:
    if not (chosen.notify_on_error or chosen.notify_on_success):
        return Notices()
    services = ("pager_duty_url", "incident_io_url")
    pages = settings.argo_ui_url.rstrip("/")
    return Notices(
        on_error=chosen.notify_on_error,
        on_success=chosen.notify_on_success,
        secret=chosen.notify_secret or settings.notify_secret,
        alert_source=chosen.incident_io_alert_source_config_id or settings.incident_io_alert_source_config_id,
        alert_metadata=tuple(f"{name}={value}" for name, value in sorted(chosen.incident_io_metadata.items())),
        link=f"{pages}/workflows/{settings.namespace}" if pages and settings.namespace else "",
        env={variable(name): getattr(settings, name) for name in services if getattr(settings, name)},
    )


def _channel_problems(notices: Notices, settings: Settings) -> Iterator[str]:
    """Who asks for people to be told must say by what; what is in a Secret, pods alone can see."""
    if not notices or notices.secret:
        return
    flags = " and ".join(_flags(notices))
    if settings.backend != "embedded":
        yield f"{flags}: nobody would be told, as there is no channel; make one: {HOW_TO_HIDE.format(VARIABLES[0])}"
        return
    channels = channels_of(settings)
    if not channels:
        yield f"{flags}: nobody would be told, as there is no channel; set any of {', '.join(VARIABLES)}"
    elif [channel.name for channel in channels] == ["incident-io"] and not notices.alert_source:
        yield f"{flags}: incident.io needs the id of an alert source, --incident-io-alert-source-config-id"


def tells_nobody_elsewhere(chosen: Lifecycle, settings: Settings) -> bool:
    """Whether people are told by channels of this environment alone, of which pods of a cluster know nothing."""
    notices = _notices(chosen, settings)
    return bool(notices) and not notices.secret


def _flags(notices: Notices) -> Iterator[str]:
    if notices.on_error:
        yield "--notify-on-error"
    if notices.on_success:
        yield "--notify-on-success"
