"""The components of cards that show data as it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from metaflow_hera.cards.component import MetaflowCardComponent
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.values import brief


def json_text(value: object, indent: int | None = 2) -> str:
    """A value as JSON; what JSON has no form for becomes a text."""
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, default=brief)
    except (TypeError, ValueError, RecursionError):  # keys that are no texts, or a value that holds itself
        return json.dumps(brief(value), ensure_ascii=False)


class JSONViewer(MetaflowCardComponent):
    """Data as JSON, to be folded unless it is not *collapsible*; *max_height* as CSS writes it, such as ``400px``."""

    def __init__(
        self, data: object, collapsible: bool = True, max_height: str | None = "400px", title: str | None = None
    ) -> None:
        self.data, self.collapsible, self.max_height, self.title = data, collapsible, max_height, title

    def update(self, data: object) -> None:  # type: ignore[override]
        self.data = data

    def _text(self) -> str:
        return self.data if isinstance(self.data, str) else json_text(self.data)

    def render(self) -> str:
        height = str(self.max_height or "")
        is_length = height.removesuffix("px").removesuffix("em").removesuffix("vh").isdecimal()
        block = element("pre", escaped(self._text()), style=f"max-height:{height}" if is_length else None)
        title = escaped(self.title or type(self).__name__.removesuffix("Viewer"))
        if not self.collapsible:
            return element("div", element("p", element("strong", title)), block)
        return element("details", element("summary", title), block, open="open")


class YAMLViewer(JSONViewer):
    """Data as YAML."""

    def _text(self) -> str:
        return self.data if isinstance(self.data, str) else "\n".join(yaml_lines(self.data))


def yaml_lines(value: object, indent: str = "") -> Iterator[str]:
    """Data as lines of YAML; every scalar is written as JSON would, which YAML reads as the same.

    >>> list(yaml_lines({"a": [1, {"b": "x"}], "c": {}}))
    ['"a":', '  - 1', '  -', '    "b": "x"', '"c": {}']
    """
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _yaml_entry(f"{indent}{json_text(str(key))}:", item, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from _yaml_entry(f"{indent}-", item, indent)
    else:
        yield indent + json_text(value)


def _yaml_entry(head: str, item: object, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping | list | tuple) and item and len(indent) < 40:
        yield head
        yield from yaml_lines(item, f"{indent}  ")
    else:
        yield f"{head} {json_text(item, indent=None)}"
