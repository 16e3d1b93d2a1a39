"""A flow as a user names it, checked: the file it stands in, or the class itself, also one defined in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from metaflow_hera.deploy.launching import LaunchOptions, launch_of
from metaflow_hera.errors import FlowError, Problem, UsageError
from metaflow_hera.flow.decorator import StepDecorator
from metaflow_hera.flow.decospec import parse_decospec, portable
from metaflow_hera.flow.launch import Launch
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.parameters import Parameter, parameters_of
from metaflow_hera.flow.prepare import decorated, has_own_kinds, prepare
from metaflow_hera.flow.source import file_of
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.flow.written import flow_written
from metaflow_hera.graph.check import check
from metaflow_hera.graph.model import Graph
from metaflow_hera.graph.parse import parse
from metaflow_hera.settings import Settings

if TYPE_CHECKING:
    from metaflow_hera.flow.user_decorators import Applied

FlowLike = str | Path | type[FlowSpec]
"""A file, ``file.py:Name``, or a class."""


@dataclass(frozen=True, kw_only=True)
class CheckedFlow:
    """A flow that passed every check, with what it is launched with."""

    flow_class: type[FlowSpec]
    """As its launch settled it."""
    graph: Graph
    launch: Launch = field(default_factory=Launch)
    decorators: tuple[str, ...] = ()
    """What ``--with`` added to its steps."""

    @property
    def name(self) -> str:
        return self.graph.flow

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(parameters_of(self.flow_class).values())

    @property
    def file(self) -> Path | None:
        """Where the flow stands; None for one of a notebook or a shell."""
        file = file_of(self.flow_class)
        return Path(file).resolve() if file and Path(file).is_file() else None

    @property
    def file_name(self) -> str:
        """Its name in a code package."""
        return self.file.name if self.file else f"{self.name.lower()}.py"


_NO_OPTIONS = LaunchOptions()


def launched_class(
    flow: FlowLike, name: str | None = None, options: LaunchOptions = _NO_OPTIONS
) -> tuple[type[FlowSpec], Launch]:
    """A flow's class as a launch settles it, and the launch; safe to repeat on the class that it gives."""
    flow_class = flow if isinstance(flow, type) else load_flow(flow, name)
    if not (isinstance(flow_class, type) and issubclass(flow_class, FlowSpec)):
        raise FlowError([Problem(f"{flow!r} is no flow: give a class that extends FlowSpec, or the path of its file")])
    launch = launch_of(flow_class, options)
    return prepare(flow_class, launch), launch


def named_class(flow: FlowLike, name: str | None = None, options: LaunchOptions = _NO_OPTIONS) -> type[FlowSpec]:
    """A flow's class as far as its name in Argo needs it: nothing is read for a flow that is of no project."""
    flow_class = flow if isinstance(flow, type) else load_flow(flow, name)
    of_project = any(spec.name == "project" for _, specs in flow_written(flow_class) for spec in specs)
    if of_project or options.branch is not None or options.production or has_own_kinds(flow_class):
        return launched_class(flow_class, options=options)[0]
    return flow_class


def check_flow(
    flow: FlowLike,
    *,
    name: str | None = None,
    with_: Sequence[str] = (),
    launch: LaunchOptions = _NO_OPTIONS,
    defaults: bool = True,
) -> CheckedFlow:
    """Load, parse and check a flow; `FlowError` has everything that is wrong with it.

    Of *with_* the first of a name counts; *defaults* are those of the settings, which count last.
    """
    flow_class, chosen = launched_class(flow, name, launch)
    added = _added(flow_class, (*with_, *(Settings.load().decospecs if defaults else ())))
    flow_class = decorated(flow_class, [decorator.spec for decorator in added.values()])
    graph = parse(flow_class)
    check(graph)
    texts = tuple(portable(text, decorator, flow_class) for text, decorator in added.items())
    return CheckedFlow(flow_class=flow_class, graph=graph, launch=chosen, decorators=texts)


def _added(flow_class: type[FlowSpec], texts: Sequence[str]) -> dict[str, StepDecorator | Applied]:
    """The decorators behind texts; `UsageError` with everything that is wrong with all of them."""
    found: dict[str, StepDecorator | Applied] = {}
    problems = []
    for text in texts:
        try:
            found[text] = parse_decospec(text, flow_class)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError("\n".join(problems))
    return found
