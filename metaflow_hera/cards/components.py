"""The components of cards that show texts and values; whatever a user gives is shown as text, never taken as HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from metaflow_hera.cards.component import MetaflowCardComponent
from metaflow_hera.cards.markdown import to_html
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.values import brief, shown
from metaflow_hera.records.values import type_name

SHOWN_ROWS = 100
"""Of a data frame that is cut."""


class Markdown(MetaflowCardComponent):
    """A text in the common part of Markdown; HTML in it is shown as it is written."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    def update(self, text: str | None = None) -> None:  # type: ignore[override]
        self.text = text

    def render(self) -> str:
        return element("div", to_html(str(self.text or "")), class_="markdown")


class Artifact(MetaflowCardComponent):
    """Any value: its name, its type and, in brief, itself."""

    def __init__(self, artifact: object, name: str | None = None, compressed: bool = True) -> None:
        self.artifact, self.name = artifact, name

    def update(self, artifact: object) -> None:  # type: ignore[override]
        self.artifact = artifact

    def render(self) -> str:
        name = f"{element('strong', escaped(self.name))} " if self.name else ""
        kind = element("span", escaped(type_name(type(self.artifact))), class_="note")
        return element(
            "div", element("p", name, kind), element("pre", escaped(brief(self.artifact))), class_="artifact"
        )


class Error(MetaflowCardComponent):
    """An exception, with its traceback if it has one."""

    def __init__(self, exception: object, title: str | None = None) -> None:
        self.exception, self.title = exception, title

    def render(self) -> str:
        return error_box(self.title or type_name(type(self.exception)), _traceback(self.exception))


def error_box(title: str, text: str) -> str:
    return element("div", element("strong", escaped(title)), element("pre", escaped(text)), class_="error")


def _traceback(exception: object) -> str:
    if not isinstance(exception, BaseException):
        return str(exception)
    import traceback  # only for errors

    return "".join(traceback.format_exception(exception)).rstrip()


class Table(MetaflowCardComponent):
    """Rows of values or of components, with or without headers."""

    def __init__(
        self,
        data: Iterable[Iterable[object]] | None = None,
        headers: Iterable[object] | None = None,
        disable_updates: bool = True,
    ) -> None:
        self.data = [list(row) for row in data or ()]
        self.headers = list(headers or ())
        self.note = ""

    @classmethod
    def from_dataframe(cls, dataframe: Any = None, truncate: bool = True) -> Self:
        """Of a data frame of pandas or polars, or whatever has their methods; cut to its first 100 rows."""
        if dataframe is None:
            return cls()
        count = len(dataframe)
        frame = dataframe.head(SHOWN_ROWS) if truncate and count > SHOWN_ROWS else dataframe
        columns = list(frame.columns)
        if hasattr(frame, "itertuples"):
            rows: Iterable[Iterable[object]] = frame.itertuples(index=True, name=None)
            columns = [frame.index.name or "", *columns]
        else:
            rows = frame.rows()
        table = cls(rows, columns)
        if len(frame) < count:
            table.note = f"{len(frame):,} of {count:,} rows"
        return table

    def render(self) -> str:
        head = element("tr", *(element("th", _cell(header)) for header in self.headers)) if self.headers else ""
        rows = (element("tr", *(_data_cell(value) for value in row)) for row in self.data)
        note = element("p", escaped(self.note), class_="note") if self.note else ""
        return element("div", element("table", head, *rows), note, class_="scroll")


def _data_cell(value: object) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return element("td", _cell(value), class_="right" if is_number else None)


def _cell(value: object) -> str:
    return value.render() if isinstance(value, MetaflowCardComponent) else escaped(shown(value))


class PythonCode(MetaflowCardComponent):
    """Source of Python: that of a function, or a text."""

    def __init__(self, code_func: Callable[..., Any] | None = None, code_string: str | None = None) -> None:
        self.code_func, self.code_string = code_func, code_string

    def render(self) -> str:
        if self.code_func is None:
            return element("pre", element("code", escaped(self.code_string or "")))
        import inspect  # only here
        import textwrap

        return element("pre", element("code", escaped(textwrap.dedent(inspect.getsource(self.code_func)).rstrip())))


def rendered(component: object) -> str:
    """A component as HTML; what fails is told in its place, and anything that is no component is shown as a value."""
    if not isinstance(component, MetaflowCardComponent):
        component = Artifact(component)
    try:
        content: object = component.render()
    except Exception as error:  # noqa: BLE001  (the user's classes, and values that they are given)
        return error_box(f"{type(component).__name__} cannot be shown", f"{type_name(type(error))}: {error}")
    return content if isinstance(content, str) else Artifact(content, name=type(component).__name__).render()
