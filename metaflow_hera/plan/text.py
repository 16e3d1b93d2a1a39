"""Texts with references in them, and the conditions of a DAG, as data instead of template strings.

`render` and `parse` are the two ends: what Argo substitutes is written in one place, and read back in the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from metaflow_hera.errors import ManifestError, NamingError


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of the template that holds the text."""

    name: str


@dataclass(frozen=True, slots=True)
class TaskOutput:
    """An output parameter of another task of the same DAG; that task has run for certain."""

    task: str
    parameter: str


@dataclass(frozen=True, slots=True)
class Item:
    """The index of an item of a fan-out, from 0."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often the task was tried before; only where there is a retry strategy."""


@dataclass(frozen=True, slots=True)
class WorkflowName:
    """The name of the Workflow object."""


@dataclass(frozen=True, slots=True)
class WorkflowStatus:
    """How the workflow ended; only in what runs at its exit."""


Reference = Input | TaskOutput | Item | Retries | WorkflowName | WorkflowStatus
Text = tuple[str | Reference, ...]
"""Literal pieces and references in turn; no two literal pieces side by side, none of them empty."""

PARAMETERS_AS_BASE64 = "{{=toBase64(workflow.parameters.json)}}"
"""All parameters of the workflow, a JSON list of ``{"name", "value"}``: the one form that carries any value exactly."""


def text(*parts: str | Reference) -> Text:
    """The parts as a `Text`.

    >>> text("argo-", WorkflowName())
    ('argo-', WorkflowName())
    >>> text("a", "", "b")
    ('ab',)
    """
    joined: list[str | Reference] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return tuple(joined)


def render(value: Text) -> str:
    """*value* with references as Argo writes them.

    >>> render(text(Input("path"), ".", Item()))
    '{{inputs.parameters.path}}.{{item}}'
    """
    return "".join(
        _literal(part, following) if isinstance(part, str) else f"{{{{{_tag(part)}}}}}"
        for part, following in pairwise((*value, ""))
    )


def fill(value: Text, resolve: Callable[[Reference], str]) -> str:
    """*value* with each reference replaced by what *resolve* says."""
    return "".join(part if isinstance(part, str) else resolve(part) for part in value)


def _literal(part: str, following: str | Reference) -> str:
    if "{{" in part or (part.endswith("{") and following != ""):
        raise NamingError(
            f"{part!r} cannot be written into a manifest: Argo would evaluate what follows '{{{{'; rename it"
        )
    return part


def _tag(reference: Reference) -> str:
    match reference:
        case Input(name):
            return f"inputs.parameters.{name}"
        case TaskOutput(task, parameter):
            return f"tasks.{task}.outputs.parameters.{parameter}"
        case Item():
            return "item"
        case Retries():
            return "retries"
        case WorkflowName():
            return "workflow.name"
        case WorkflowStatus():
            return "workflow.status"


_PLAIN_TAGS: dict[str, Reference] = {
    _tag(plain): plain for plain in (Item(), Retries(), WorkflowName(), WorkflowStatus())
}
_NAME = "[-A-Za-z0-9_]+"


def parse(rendered: str) -> Text:
    """The `Text` behind what `render` wrote; `ManifestError` for any other tag.

    >>> parse("argo-{{workflow.name}}")
    ('argo-', WorkflowName())
    """
    pieces = re.split(r"\{\{(.*?)\}\}", rendered, flags=re.DOTALL)
    return text(*(_reference(piece) if number % 2 else piece for number, piece in enumerate(pieces)))


def _reference(tag: str) -> Reference:
    if tag in _PLAIN_TAGS:
        return _PLAIN_TAGS[tag]
    if match := re.fullmatch(rf"inputs\.parameters\.({_NAME})", tag):
        return Input(match[1])
    if match := re.fullmatch(rf"tasks\.({_NAME})\.outputs\.parameters\.({_NAME})", tag):
        return TaskOutput(match[1], match[2])
    raise ManifestError(f"'{{{{{tag}}}}}' is none of the references that we write")


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Another task of the same DAG succeeded."""

    task: str


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of at least two."""

    of: tuple[Depends, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One or more of at least two; all have ended before it is asked."""

    of: tuple[Depends, ...]


Depends = Succeeded | AllOf | AnyOf


def referenced(depends: Depends | None) -> Iterator[str]:
    """The tasks that a condition speaks of."""
    match depends:
        case Succeeded(task):
            yield task
        case AllOf(of) | AnyOf(of):
            for part in of:
                yield from referenced(part)
        case None:
            return


@dataclass(frozen=True, slots=True)
class OutputIs:
    """A task's output parameter has this value: the branch that a switch chose."""

    task: str
    parameter: str
    value: str


@dataclass(frozen=True, slots=True)
class StatusIs:
    """The workflow ended like this."""

    status: str


@dataclass(frozen=True, slots=True)
class StatusIsNot:
    """The workflow did not end like this."""

    status: str


@dataclass(frozen=True, slots=True)
class Never:
    """Of a task that is there to be skipped."""


Condition = OutputIs | StatusIs | StatusIsNot | Never
