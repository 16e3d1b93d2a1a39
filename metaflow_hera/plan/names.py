"""The names of all templates of one Plan: different from each other, and the same whenever the flow is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from metaflow_hera.graph.model import Foreach, Graph
from metaflow_hera.naming import STEP_NAME_LIMIT, free_name, template_names
from metaflow_hera.plan.switches import shortcuts

PATH = "path"
"""The input of every template that lies in a foreach: the index path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A task is called like the template that it runs, so one name serves both."""

    steps: Mapping[str, str]
    fans: Mapping[str, str]
    """For each foreach split, the wrapper that fans out."""
    items: Mapping[str, str]
    """For each foreach split, the DAG that is the body of one item, where that is more than one step."""
    shortcuts: Mapping[tuple[str, str], str]
    """For each way of a switch that leads past the heads of its branches, the task that stands for it."""
    shortcut: str
    """The template of these tasks, which does nothing."""
    entry: str
    exit: str
    exit_hooks: tuple[str, ...]
    """The containers of exit hooks that run in images of their own."""
    on_exit: str

    @classmethod
    def of(cls, graph: Graph, hook_images: int = 0) -> Self:
        steps = template_names(graph.order)
        taken = list(steps.values())

        def free(wanted: str) -> str:
            taken.append(free_name(wanted, taken))
            return taken[-1]

        foreaches = [name for name in graph.order if isinstance(graph[name].transition, Foreach)]
        return cls(
            steps=steps,
            fans={name: free(f"foreach-{steps[name]}") for name in foreaches},
            items={name: free(f"item-{steps[name]}") for name in foreaches},
            shortcuts={way: free(_between(*(steps[name] for name in way))) for way in shortcuts(graph)},
            shortcut=free("shortcut"),
            entry=free("flow"),
            exit=free("exit"),
            on_exit=free("on-exit"),
            exit_hooks=tuple(free("exit-hooks") for _ in range(hook_images)),
        )


def _between(step: str, target: str) -> str:
    """Cut to what fits, and made unique after that."""
    return f"{step}-to-{target}"[:STEP_NAME_LIMIT].rstrip("-")
