"""The types of cards: a page about a task as a class that renders it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.page import page

if TYPE_CHECKING:
    from metaflow_hera.client.task import Task


class MetaflowCard:
    """A type of card: derive a class in the flow's file or in a module that it imports, and give it a ``type``.

    ``@card(type=…)`` then uses it. It is made with what its ``__init__`` takes of *options*, *components* (texts of
    HTML, if it allows those), *graph* (the flow as JSON can hold it) and *flow* (its name).
    """

    type: ClassVar[str] = ""
    ALLOW_USER_COMPONENTS: ClassVar[bool] = False
    """Whether the step can put components on it."""
    RUNTIME_UPDATABLE: ClassVar[bool] = False
    """Whether it is rendered while the step runs, by `render_runtime`, when the step refreshes it."""

    def render(self, task: Any) -> str:
        """The card as a whole HTML document; *task* is the Client's, with the artifacts that the step left."""
        raise NotImplementedError(f"{type(self).__name__} has no render(self, task) that returns HTML; write one")

    def render_runtime(self, task: Any, data: Any) -> str:
        """The card of a task that runs; *data* is what the step gave to ``refresh``."""
        return self.render(task)


class BlankCard(MetaflowCard):
    """The step's components and nothing else."""

    type = "blank"
    ALLOW_USER_COMPONENTS = True
    RUNTIME_UPDATABLE = True

    def __init__(
        self, options: Mapping[str, Any] | None = None, components: Sequence[str] = (), graph: object = None
    ) -> None:
        self.title = (options or {}).get("title")
        self.components = components

    def render(self, task: Task) -> str:
        heading = element("h1", escaped(self.title)) if self.title else ""
        return page(str(self.title or task.pathspec), heading + "".join(self.components))


def make_card(
    kind: Callable[..., MetaflowCard], options: Mapping[str, Any], components: Sequence[str], graph: Mapping[str, Any]
) -> MetaflowCard:
    """A card of a class, given what its ``__init__`` has parameters for."""
    import inspect  # only for cards

    given = {"options": dict(options), "components": list(components), "graph": graph, "flow": graph.get("flow")}
    taken = inspect.signature(kind).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken):
        names = {parameter.name for parameter in taken}
        given = {name: value for name, value in given.items() if name in names}
    return kind(**given)
