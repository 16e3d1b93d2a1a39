"""The decorators that most flows know, as data, and how all of them are found by name.

Nothing is refused while a class body runs: `problems_of` tells what is wrong, with all other problems of the flow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeVar

from metaflow_hera.flow import checks
from metaflow_hera.flow.decorator import Decorator, FlowDecorator, StepDecorator
from metaflow_hera.flow.written import flow_written
from metaflow_hera.graph.model import DecoratorSpec, Step

D = TypeVar("D", bound="StepDecorator")
K = TypeVar("K", bound="Decorator")

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class retry(StepDecorator):  # noqa: N801  (decorators have the peer's names)
    """Try a failed step again, up to *times* times; 0 forbids it, whatever ``--with`` says."""

    times: int = 3
    minutes_between_retries: float = 2

    def problems(self) -> Iterator[str]:
        yield from checks.whole("times", self.times, at_least=0)
        yield from checks.number("minutes_between_retries", self.minutes_between_retries, at_least=0)


class catch(StepDecorator):  # noqa: N801
    """Go on although the step failed for good; ``self.<var>`` is then what went wrong, and None otherwise."""

    var: str | None = None
    print_exception: bool = True

    def problems(self) -> Iterator[str]:
        yield from checks.artifact("var", self.var)
        yield from checks.truth("print_exception", self.print_exception)


class timeout(StepDecorator):  # noqa: N801
    """Fail the attempt after this time: the sum of the three."""

    seconds: int = 0
    minutes: int = 0
    hours: int = 0

    @property
    def total_seconds(self) -> int:
        return self.seconds + 60 * self.minutes + 3600 * self.hours

    def problems(self) -> Iterator[str]:
        wrong = [
            text
            for unit in ("seconds", "minutes", "hours")
            for text in checks.whole(unit, getattr(self, unit), at_least=0)
        ]
        yield from wrong
        if not wrong and self.total_seconds == 0:
            yield "needs a duration: give seconds, minutes or hours"


class environment(StepDecorator):  # noqa: N801
    """Environment variables of the step."""

    vars: Mapping[str, str] = _NOTHING

    def problems(self) -> Iterator[str]:
        yield from checks.variables("vars", self.vars)


class resources(StepDecorator):  # noqa: N801
    """What the step needs wherever it runs; memory, disk and shared memory in MB, None for the default."""

    cpu: float | str | None = None
    gpu: int | str | None = None
    disk: int | str | None = None
    memory: int | str | None = None
    shared_memory: int | str | None = None

    def problems(self) -> Iterator[str]:
        yield from checks.amounts(self)


class kubernetes(StepDecorator):  # noqa: N801
    """The pod of the step: sizes in MB, None for what `resources` or the settings say."""

    cpu: float | str | None = None
    memory: int | str | None = None
    disk: int | str | None = None
    image: str | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: tuple[str, ...] | list[str] | str | None = None
    service_account: str | None = None
    secrets: tuple[str, ...] | list[str] | str | None = None
    node_selector: Mapping[str, str] | str | None = None
    namespace: str | None = None
    gpu: int | str | None = None
    gpu_vendor: str | None = None
    tolerations: tuple[Mapping[str, object], ...] | list[dict[str, object]] | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    use_tmpfs: bool | None = None
    tmpfs_tempdir: bool = True
    tmpfs_size: int | str | None = None
    tmpfs_path: str = "/metaflow_temp"
    persistent_volume_claims: Mapping[str, str] | None = None
    shared_memory: int | str | None = None
    port: int | str | None = None
    compute_pool: str | None = None
    executable: str | None = None
    hostname_resolution_timeout: int = 600
    qos: str = "burstable"
    extended_resources: Mapping[str, int | str] = _NOTHING
    security_context: Mapping[str, object] | None = None

    def problems(self) -> Iterator[str]:
        yield from checks.amounts(self)
        yield from checks.pod(self)

    @property
    def has_tmpfs(self) -> bool:
        """Whether there is a file system in memory: asked for, or given a size."""
        return bool(self.tmpfs_size if self.use_tmpfs is None else self.use_tmpfs)

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The Kubernetes Secrets, also if one text with commas was written."""
        return checks.listed(self.secrets)

    @property
    def pull_secret_names(self) -> tuple[str, ...]:
        return checks.listed(self.image_pull_secrets)

    @property
    def node_labels(self) -> dict[str, str]:
        """The node selector, also if it was written as ``k=v,k2=v2``."""
        return checks.pairs(self.node_selector)


class parallel(StepDecorator):  # noqa: N801
    """The tasks of a ``num_parallel`` run at the same time and know each other, by `current.parallel`."""


CONCURRENCY_POLICIES = ("Allow", "Forbid", "Replace")
"""While the run of an earlier firing goes on, run beside it, not at all, or in its place."""


class schedule(FlowDecorator):  # noqa: N801
    """Run the deployed flow by itself; *cron* has six fields as at AWS or five as in Unix, *timezone* an IANA name.

    *concurrency_policy* says what becomes of a firing while the run of an earlier one goes on, *starting_deadline* for
    how many seconds one that was missed is made up for, and the limits how many runs a cluster keeps that have ended.
    """

    cron: str | None = None
    weekly: bool = False
    daily: bool = True
    hourly: bool = False
    timezone: str | None = None
    concurrency_policy: str = "Allow"
    starting_deadline: int = 3540
    successful_runs_limit: int = 10_000
    failed_runs_limit: int = 10_000

    @property
    def expression(self) -> str | None:
        """The cron line, the first that applies of: cron, weekly, hourly, daily; None with ``daily=False`` alone."""
        if self.cron is not None:
            return self.cron
        if self.weekly:
            return "0 0 ? * SUN *"
        if self.hourly:
            return "0 * * * ? *"
        return "0 0 * * ? *" if self.daily else None

    def problems(self) -> Iterator[str]:
        yield from checks.words("cron", self.cron)
        for period in ("weekly", "daily", "hourly"):
            yield from checks.truth(period, getattr(self, period))
        yield from checks.timezone("timezone", self.timezone)
        if self.concurrency_policy not in CONCURRENCY_POLICIES:
            yield (
                f"concurrency_policy must be one of {', '.join(CONCURRENCY_POLICIES)}, not {self.concurrency_policy!r}"
            )
        for limit in ("starting_deadline", "successful_runs_limit", "failed_runs_limit"):
            yield from checks.whole(limit, getattr(self, limit), at_least=0)


class Kinds(Mapping[str, type[K]]):
    """Decorators by name; of those that few flows have, the module, which is imported when one is asked for."""

    def __init__(self, *here: type[K], **elsewhere: str) -> None:
        self._known: dict[str, type[K] | str] = {**elsewhere, **{kind.name: kind for kind in here}}

    def __getitem__(self, name: str) -> type[K]:
        found = self._known[name]
        if not isinstance(found, str):
            return found
        kind: type[K] = getattr(import_module(f"metaflow_hera.flow.{found}"), name)
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._known))

    def __len__(self) -> int:
        return len(self._known)


STEP_DECORATORS: Mapping[str, type[StepDecorator]] = Kinds(
    *(catch, environment, kubernetes, parallel, resources, retry, timeout),
    card="cards",
    secrets="secrets",
    **dict.fromkeys(("batch", "conda", "pypi"), "unsupported"),
)
FLOW_DECORATORS: Mapping[str, type[FlowDecorator]] = Kinds(
    schedule,
    project="project",
    exit_hook="exit_hooks",
    **dict.fromkeys(("trigger", "trigger_on_finish"), "triggers"),
    **dict.fromkeys(("conda_base", "pypi_base"), "unsupported"),
)


def decorator_of(step: Step, kind: type[D]) -> D | None:
    """The decorator of that kind on a step, None if there is none."""
    spec = step.decorator(kind.name)
    decorator: D | None = None if spec is None else kind(**spec.attributes)
    return decorator


def flow_decorators(flow_class: type) -> tuple[FlowDecorator, ...]:
    """The decorators of a flow class and of its bases; its own replaces an inherited one, unless the kind repeats."""
    found: dict[object, FlowDecorator] = {}
    for base, written in reversed(flow_written(flow_class)):
        for number, spec in enumerate(written):
            if spec.name in FLOW_DECORATORS:
                kind = FLOW_DECORATORS[spec.name]
                found[(base, number) if kind.repeats else spec.name] = kind(**spec.attributes)
    return tuple(found.values())


def problems_of(
    spec: DecoratorSpec, kinds: Mapping[str, type[Decorator]], flow_class: type | None = None
) -> Iterator[str]:
    """What is wrong with a decorator as written, each a whole clause that begins with its name."""
    kind = kinds[spec.name]
    known = kind.defaults
    unknown = [name for name in spec.attributes if name not in known]
    for name in unknown:
        found = f"has no attribute {name!r}" if name else f"takes no positional argument ({spec.attributes['']!r})"
        takes = f"its attributes are {', '.join(known)}" if known else "it has none"
        yield f"@{spec.name} {found}; {takes}"
    if not unknown:
        decorator: Decorator = kind(**spec.attributes)
        wrong = [*decorator.problems()]
        if flow_class is not None and not wrong:
            wrong = [*decorator.problems_in(flow_class)]
        yield from (f"@{spec.name}: {text}" for text in wrong)
