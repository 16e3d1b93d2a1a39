"""A flow as a user names it, checked: the file it stands in, or the class itself, also one defined in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metaflow_hera.errors import FlowError, Problem
from metaflow_hera.flow.decospec import parse_decospec
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.parameters import Parameter, parameters_of
from metaflow_hera.flow.source import file_of
from metaflow_hera.flow.spec import FlowSpec
from metaflow_hera.graph.check import check
from metaflow_hera.graph.model import Graph
from metaflow_hera.graph.parse import parse

FlowLike = str | Path | type[FlowSpec]
"""A file, ``file.py:Name``, or a class."""


@dataclass(frozen=True, kw_only=True)
class CheckedFlow:
    """A flow that passed every check, and the decorators that ``--with`` added to its steps."""

    flow_class: type[FlowSpec]
    graph: Graph
    decorators: tuple[str, ...] = ()

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


def check_flow(flow: FlowLike, *, name: str | None = None, with_: Sequence[str] = ()) -> CheckedFlow:
    """Load, parse and check a flow; `FlowError` has everything that is wrong with it."""
    decorators = tuple(parse_decospec(text) for text in with_)
    flow_class = flow if isinstance(flow, type) else load_flow(flow, name)
    if not (isinstance(flow_class, type) and issubclass(flow_class, FlowSpec)):
        raise FlowError([Problem(f"{flow!r} is no flow: give a class that extends FlowSpec, or the path of its file")])
    graph = parse(flow_class, decorators)
    check(graph)
    return CheckedFlow(flow_class=flow_class, graph=graph, decorators=tuple(with_))
