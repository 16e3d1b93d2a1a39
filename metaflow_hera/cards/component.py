"""What a component of a card is, to those of this package and to a user's own."""

from __future__ import annotations

from typing import Any, NoReturn


class MetaflowCardComponent:
    """A part of a card; derive a class and write `render`."""

    def render(self) -> str:
        """The component as HTML, which is taken as it is: escape what is not yours."""
        raise NotImplementedError(f"{type(self).__name__} has no render(self) that returns HTML; write one")

    def update(self, *_: Any, **__: Any) -> NoReturn:
        """Change what the component shows from the next refresh of its card on."""
        raise NotImplementedError(f"{type(self).__name__} cannot be updated; append another component")
