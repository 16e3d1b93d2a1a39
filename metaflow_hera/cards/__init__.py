"""Pages about tasks: what a step puts on them, how they are made, and how they are read again.

Everything is imported when it is first asked for: a step that shows a table does not pay for charts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaflow_hera.cards.card import MetaflowCard
    from metaflow_hera.cards.component import MetaflowCardComponent
    from metaflow_hera.cards.components import Artifact, Error, Markdown, PythonCode, Table
    from metaflow_hera.cards.meters import EventsTimeline, ProgressBar, ValueBox
    from metaflow_hera.cards.pictures import Image, VegaChart
    from metaflow_hera.cards.reading import Card, CardContainer, get_cards
    from metaflow_hera.cards.viewers import JSONViewer, YAMLViewer

_HOMES = {
    "card": ("MetaflowCard",),
    "component": ("MetaflowCardComponent",),
    "components": ("Artifact", "Error", "Markdown", "PythonCode", "Table"),
    "meters": ("EventsTimeline", "ProgressBar", "ValueBox"),
    "pictures": ("Image", "VegaChart"),
    "reading": ("Card", "CardContainer", "get_cards"),
    "viewers": ("JSONViewer", "YAMLViewer"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "Card",
    "CardContainer",
    "Error",
    "EventsTimeline",
    "Image",
    "JSONViewer",
    "Markdown",
    "MetaflowCard",
    "MetaflowCardComponent",
    "ProgressBar",
    "PythonCode",
    "Table",
    "ValueBox",
    "VegaChart",
    "YAMLViewer",
    "get_cards",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
