"""The names of all templates of one Plan: different from each other, and the same whenever the flow is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from metaflow_hera.graph.model import Foreach, Graph
from metaflow_hera.naming import ascii_of, short_digest
from metaflow_hera.plan.switches import shortcuts

PATH = "path"
"""The input of every template that lies in a foreach: the index path."""

STEP_NAME_LIMIT = 100
"""Argo ends a template's name at 128 characters; wrappers add to it."""

# Argo replaces "-" by "_" and evaluates `depends` with expr, whose keywords are no operands there.
_EXPR_KEYWORD = re.compile(r"(in|not|or|and|let|if|else|true|false|nil|matches|contains|startswith|endswith)\Z")


def template_names(steps: Iterable[str]) -> dict[str, str]:
    """Argo's names of a flow's steps: legal, different from each other, and the same whenever the steps are.

    A name that had to be changed beyond ``_`` to ``-`` carries a digest of the step's own name.

    >>> template_names(["start", "fit_model", "let", "Train", "train"])
    {'start': 'start', 'fit_model': 'fit-model', 'train': 'train', 'let': 'let-cqjaz', 'Train': 'train-aa3b6'}
    """
    steps = tuple(steps)
    names = {step: step.replace("_", "-") for step in steps if _is_plain(step)}
    for step in steps:
        if step not in names:
            names[step] = free_name(_readable_name(step), names.values())
    return names


def _is_plain(step: str) -> bool:
    is_legal = re.fullmatch(r"[a-z]([a-z0-9_]*[a-z0-9])?", step) is not None
    return is_legal and not _EXPR_KEYWORD.match(step) and len(step) <= STEP_NAME_LIMIT


def _readable_name(step: str) -> str:
    readable = re.sub(r"[^a-z0-9-]", "", ascii_of(step).replace("_", "-").lower()).strip("-") or "step"
    if not readable[0].isalpha():
        readable = f"step-{readable}"
    return f"{readable[:STEP_NAME_LIMIT]}-{short_digest(step)}"


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """*wanted*, or the first of ``wanted-2``, ``wanted-3`` … that is not taken."""
    used = frozenset(taken)
    name, count = wanted, 1
    while name in used:
        count += 1
        name = f"{wanted}-{count}"
    return name


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
