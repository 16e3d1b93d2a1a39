"""The components of cards that say how things stand: progress, single values, what happened in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from metaflow_hera.cards.component import MetaflowCardComponent
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.values import shown


class ProgressBar(MetaflowCardComponent):
    """How far something has come: *value* of *max*; without a known end, *max* is None."""

    def __init__(
        self,
        max: float | None = 100,
        label: str | None = None,
        value: float = 0,
        unit: str | None = None,
        metadata: str | None = None,
    ) -> None:
        self.max, self.label, self.value, self.unit, self.metadata = max, label, value, unit, metadata

    def update(self, new_value: float, metadata: str | None = None) -> None:  # type: ignore[override]
        self.value = new_value
        self.metadata = self.metadata if metadata is None else metadata

    def render(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        amount = f"{shown(self.value)}{unit}" if self.max is None else f"{shown(self.value)} / {shown(self.max)}{unit}"
        told = " · ".join(filter(None, (amount, self.metadata and str(self.metadata))))
        bar = element("progress", value=self.value, max=self.max) if self.max else element("progress")
        return element(
            "div",
            element("span", escaped(self.label or "")),
            bar,
            element("span", escaped(told), class_="note"),
            class_="progress",
        )


class ValueBox(MetaflowCardComponent):
    """One value, large, with what it is and how it changed."""

    def __init__(
        self,
        title: str | None = None,
        value: object = "",
        subtitle: str | None = None,
        theme: str | None = None,
        change_indicator: str | None = None,
    ) -> None:
        self.title, self.value, self.subtitle = title, value, subtitle
        self.theme, self.change_indicator = theme, change_indicator

    def update(self, **changed: Any) -> None:  # type: ignore[override]
        """Change what is given of: title, value, subtitle, theme, change_indicator."""
        if unknown := changed.keys() - vars(self).keys():
            raise TypeError(f"a ValueBox has no {', '.join(sorted(unknown))}")
        vars(self).update({name: value for name, value in changed.items() if value is not None})

    def render(self) -> str:
        lines = ((self.title, "title"), (self.value, "value"), (self.subtitle, "note"), (self.change_indicator, "note"))
        parts = (element("div", escaped(shown(text)), class_=kind) for text, kind in lines if text is not None)
        theme = self.theme if self.theme in ("success", "warning", "danger") else None
        return element("div", *parts, class_=" ".join(filter(None, ("valuebox", theme))))


class EventsTimeline(MetaflowCardComponent):
    """What happened, the latest first; each event is a dictionary, and at most *max_events* are kept."""

    def __init__(self, title: str | None = None, max_events: int = 20) -> None:
        self.title, self.max_events = title, max_events
        self.events: list[tuple[float, Mapping[str, object], dict[str, Any]]] = []

    def update(self, event_data: Mapping[str, object], **more: Any) -> None:  # type: ignore[override]
        """Add an event; of *more*, ``style_theme`` colours it, and ``payloads`` are components below it."""
        self.events.append((time.time(), event_data, more))
        del self.events[: -self.max_events]

    def render(self) -> str:
        title = element("p", element("strong", escaped(self.title))) if self.title else ""
        items = (self._item(*event) for event in reversed(self.events))
        return element("div", title, element("ol", *items, class_="events"))

    def _item(self, when: float, data: Mapping[str, object], more: Mapping[str, Any]) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(when))
        facts = " · ".join(f"{escaped(key)}: {escaped(shown(value))}" for key, value in data.items())
        payloads = more.get("payloads") or {}
        below = "".join(one.render() for one in payloads.values() if isinstance(one, MetaflowCardComponent))
        theme = more.get("style_theme")
        kind = theme if theme in ("success", "warning", "danger", "error") else None
        return element("li", element("span", clock, class_="note"), " ", facts, below, class_=kind)
