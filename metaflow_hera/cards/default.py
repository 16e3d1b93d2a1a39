"""The default card: what is known about a task, what its step put on the page, and where it stands in the flow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from metaflow_hera.cards.card import MetaflowCard
from metaflow_hera.cards.components import error_box
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.page import page
from metaflow_hera.cards.values import brief, size_text
from metaflow_hera.client.task import Task
from metaflow_hera.drawing import StepState, to_svg
from metaflow_hera.graph.as_json import from_json
from metaflow_hera.graph.model import Graph
from metaflow_hera.records.task import Failure
from metaflow_hera.records.values import Ref

MOST_ARTIFACTS = 200
_PLAIN = frozenset({"NoneType", "bool", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "set", "str"})
"""Types whose values are shown if they lie in the record: to look at others could import anything."""


class DefaultCard(MetaflowCard):
    """Facts, components, parameters, artifacts and the graph."""

    type = "default"
    ALLOW_USER_COMPONENTS = True
    RUNTIME_UPDATABLE = True

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        components: Sequence[str] = (),
        graph: Mapping[str, Any] | None = None,
    ) -> None:
        self.components = components
        self.graph: Graph | None = from_json(graph) if graph else None

    def render(self, task: Task) -> str:
        flow, run, step, path = task.path_components
        parts = (
            _header(task, self._doc(step)),
            _failure(task.exception),
            _section("", "".join(self.components)),
            _section("Parameters", _values(task, task.record.parameters if task.record else {})),
            _section("Artifacts", _values(task, task.record.artifacts if task.record else {})),
            _section("Flow", self._drawn(step, _status(task))),
        )
        return page(f"{step}/{path} of {flow}/{run}", "".join(parts))

    def _drawn(self, step: str, status: str) -> str:
        if self.graph is None:
            return ""
        return element("div", to_svg(self.graph, {step: StepState(status, "this task")}), class_="scroll")

    def _doc(self, step: str) -> str:
        return self.graph[step].doc if self.graph and step in self.graph.steps else ""


def _status(task: Task) -> str:
    return "running" if task.record is None else task.record.status.value


def _header(task: Task, doc: str) -> str:
    status = _status(task)
    flow, _, step, path = task.path_components
    name = step if path == "0" else f"{step}/{path}"
    title = element("h1", escaped(f"{flow} · {name}"), element("span", escaped(status), class_=f"status {status}"))
    rows = (element("tr", element("th", escaped(name)), element("td", escaped(text))) for name, text in _facts(task))
    about = element("p", escaped(doc)) if doc else ""
    return element("header", title, about, element("table", *rows, class_="facts"))


def _facts(task: Task) -> Iterator[tuple[str, str]]:
    began, ended = task.created_at, task.finished_at
    yield "task", task.pathspec
    yield "attempt", str(task.current_attempt)
    yield "started", f"{began:%Y-%m-%d %H:%M:%S}"
    if ended is not None:
        yield "finished", f"{ended:%Y-%m-%d %H:%M:%S}, after {_duration(began, ended)}"
    if task.index is not None:
        yield "item", str(task.index)
    if tags := sorted(task.tags):
        yield "tags", ", ".join(tags)


def _duration(began: datetime, ended: datetime) -> str:
    seconds = max((ended - began).total_seconds(), 0.0)
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{seconds:.1f} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _failure(failure: Failure | None) -> str:
    return error_box(f"{failure.type}: {failure.text}", failure.traceback) if failure else ""


def _section(title: str, content: str) -> str:
    heading = element("h2", escaped(title)) if title else ""
    return element("section", heading, content) if content else ""


def _values(task: Task, refs: Mapping[str, Ref]) -> str:
    """A table of named values, as far as they can be told without reading large ones."""
    names = [name for name in refs if not name.startswith("_")]
    if not names:
        return ""
    head = element("tr", *map(_head, ("name", "type", "size", "value")))
    rows = (_value(task, name, refs[name]) for name in names[:MOST_ARTIFACTS])
    more = len(names) - MOST_ARTIFACTS
    note = element("p", escaped(f"and {more} more"), class_="note") if more > 0 else ""
    return element("div", element("table", head, *rows), note, class_="scroll")


def _head(title: str) -> str:
    return element("th", escaped(title), class_="right" if title == "size" else None)


def _value(task: Task, name: str, ref: Ref) -> str:
    is_told = ref.inline is not None and ref.type in _PLAIN
    text = element("code", escaped(brief(task[name].data))) if is_told else ""
    size = element("td", escaped(size_text(ref.size)), class_="right")
    return element("tr", element("td", escaped(name)), element("td", escaped(ref.type)), size, element("td", text))
