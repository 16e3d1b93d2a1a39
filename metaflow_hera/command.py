"""What a container is told: the whole contract between what compiles a flow and what runs a task.

Both ends are here. `compile` renders a command into a manifest, where a field may still hold one of Argo's
placeholders; `runtime` parses what Argo, or the embedded engine, made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import ClassVar, Self

from metaflow_hera.errors import UsageError


class _Command:
    """A record of strings and tuples of strings as ``verb --field value …``; fields at their default are left out."""

    __slots__ = ()
    verb: ClassVar[str]

    def argv(self) -> tuple[str, ...]:
        words = [self.verb]
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default:
                for word in (value,) if isinstance(value, str) else value:
                    words += (f"--{field.name.replace('_', '-')}", word)
        return tuple(words)

    @classmethod
    def parse(cls, argv: Sequence[str]) -> Self:
        if not argv or argv[0] != cls.verb or len(argv) % 2 == 0:
            raise UsageError(f"expected {cls.verb!r} and pairs of an option and its value, got {list(argv)!r}")
        values: dict[str, list[str]] = {}
        for option, value in zip(argv[1::2], argv[2::2], strict=True):
            values.setdefault(option.removeprefix("--").replace("-", "_"), []).append(value)
        known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
        if unknown := values.keys() - known.keys():
            raise UsageError(f"unknown options of {cls.verb!r}: {sorted(unknown)}")
        missing = [name for name, field in known.items() if field.default is MISSING and name not in values]
        if missing:
            raise UsageError(f"missing options of {cls.verb!r}: {missing}")
        return cls(**{name: tuple(given) if known[name].default == () else given[-1] for name, given in values.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCommand(_Command):
    """Run one task.

    >>> command = TaskCommand(flow="F", file="f.py", step="fit", run="r1", path="3", store="s3://b", tags=("x",))
    >>> TaskCommand.parse(command.argv()) == command
    True
    """

    verb: ClassVar[str] = "task"

    flow: str
    file: str
    """The flow's file, relative to the root of the code package."""
    step: str
    run: str
    path: str
    """The index path of the task, as `naming.IndexPath` writes it."""
    store: str
    code: str = ""
    """The key of the code package in the store; empty where the code is there already."""
    repeats: str = ""
    """Anything if the step may come after itself: *path* is that of all its iterations, or of the one that it is at."""
    attempt: str = "0"
    """The lowest number that this attempt can have: what Argo counts starts anew with `argo retry`."""
    retries: str = "0"
    """How often the user allows to try again; in an attempt beyond, @catch stands in for a process that died."""
    decorators: tuple[str, ...] = ()
    """What ``--with`` added to every step."""
    deployment: str = ""
    """The name of the WorkflowTemplate; empty for a run without one."""
    user: str = ""
    """Who deployed, or who runs."""
    tags: tuple[str, ...] = ()
    production: str = ""
    """The production namespace of the deployment; empty for a run that is of none."""
    namespace: str = ""
    """The tag that runs must have to be seen by the user's code, if its deployer chose one."""
    triggers: tuple[str, ...] = ()
    """What started the run besides its user: each a `records.run.Cause`, as JSON."""
    events: tuple[str, ...] = ()
    """Of the start step: what the deployment waits for, each a `records.events.Awaited`, as JSON."""
    publishes: tuple[str, ...] = ()
    """The events that tell of the success of the task."""
    origin: str = ""
    """The run that this one resumes: it has its parameters, and its record is written before the first task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitCommand(_Command):
    """Write down how a run ended, and do what is to be done then.

    >>> ExitCommand.parse(ExitCommand(flow="F", run="r1", status="Failed", store="/s").argv()).status
    'Failed'
    """

    verb: ClassVar[str] = "exit"
    ON_ERROR: ClassVar[str] = "error"
    ON_SUCCESS: ClassVar[str] = "success"

    flow: str
    run: str
    status: str
    """Argo's word: Succeeded, Failed or Error."""
    store: str
    code: str = ""
    file: str = ""
    """The flow's file, relative to the root of the code package, where functions of @exit_hook are to be called."""
    image: str = ""
    """Those which are called in this image; empty for those of decorators that name none."""
    user: str = ""
    production: str = ""
    namespace: str = ""
    """These three as in a `TaskCommand`."""
    notify: tuple[str, ...] = ()
    """On which ends people are told: any of the two above."""
    secret: str = ""
    """The Kubernetes Secret by which they are told; empty where the environment has it already."""
    link: str = ""
    """A page about the run."""
    alert_source: str = ""
    """The alert source of incident.io."""
    alert_metadata: tuple[str, ...] = ()
    """``KEY=VALUE`` each, for incident.io."""
