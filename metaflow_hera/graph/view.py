"""A flow's graph as flows themselves look at it, ``self._graph["a"].out_funcs``: the peer's names for what we have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from metaflow_hera.drawing import to_svg
from metaflow_hera.graph.info import role
from metaflow_hera.graph.model import DecoratorSpec, Foreach, Graph, Split, Step, Switch
from metaflow_hera.graph.parse import parse


@dataclass(frozen=True)
class StepView:
    """One step."""

    _step: Step
    _graph: Graph

    @property
    def name(self) -> str:
        return self._step.name

    @property
    def type(self) -> str:
        """``start``, ``linear``, ``foreach``, ``split``, ``split-switch``, ``join``, ``end``; first how it goes on."""
        match self._step.transition:
            case Split():
                return "split"
            case Foreach():
                return "foreach"
            case Switch():
                return "split-switch"
        return role(self._step, self._graph)

    @property
    def in_funcs(self) -> set[str]:
        """The steps that lead here."""
        return {step.name for step in self._graph if self.name in step.targets}

    @property
    def out_funcs(self) -> list[str]:
        """The steps that can come next."""
        return list(self._step.targets)

    @property
    def parallel_step(self) -> bool:
        """Whether it has @parallel."""
        return self._step.decorator("parallel") is not None

    @property
    def parallel_foreach(self) -> bool:
        """Whether it goes on with ``num_parallel``."""
        return isinstance(self._step.transition, Foreach) and self._step.transition.gang

    @property
    def foreach_param(self) -> str | None:
        """The artifact that it goes on over."""
        return self._step.transition.over if isinstance(self._step.transition, Foreach) else None

    @property
    def condition(self) -> str | None:
        """The artifact by which it chooses what comes next."""
        return self._step.transition.condition if isinstance(self._step.transition, Switch) else None

    @property
    def switch_cases(self) -> dict[str, str]:
        return dict(self._step.transition.cases) if isinstance(self._step.transition, Switch) else {}

    @property
    def matching_join(self) -> str | None:
        """The step that joins what it splits."""
        return self._graph.joins.get(self.name)

    @property
    def split_parents(self) -> list[str]:
        """The splits that are open when it runs, outermost first."""
        return list(self._graph.scopes.get(self.name, ()))

    @property
    def is_inside_foreach(self) -> bool:
        return bool(self._graph.foreaches(self.name))

    @property
    def num_args(self) -> int:
        return 2 if self._step.is_join else 1

    @property
    def decorators(self) -> tuple[DecoratorSpec, ...]:
        return self._step.decorators

    @property
    def doc(self) -> str:
        return self._step.doc

    @property
    def func_lineno(self) -> int | None:
        return self._step.line

    @property
    def source_file(self) -> str | None:
        return self._step.file


@dataclass(frozen=True)
class GraphView:
    """All steps, by name and in the order in which they run."""

    _graph: Graph

    def __getitem__(self, name: str) -> StepView:
        return StepView(self._graph[name], self._graph)

    def __contains__(self, name: object) -> bool:
        return name in self._graph.steps

    def __iter__(self) -> Iterator[StepView]:
        return (self[name] for name in self._graph.order)

    @property
    def name(self) -> str:
        return self._graph.flow

    @property
    def doc(self) -> str:
        return self._graph.doc

    @property
    def start_step(self) -> str:
        return self._graph.start

    @property
    def end_step(self) -> str:
        return self._graph.end

    @property
    def sorted_nodes(self) -> list[str]:
        return list(self._graph.order)

    def _repr_svg_(self) -> str:
        return to_svg(self._graph)


@lru_cache(maxsize=8)
def view_of(flow_class: type) -> GraphView:
    """The graph of a flow class; a flow that asks in each of its steps has its source read once."""
    return GraphView(parse(flow_class))
