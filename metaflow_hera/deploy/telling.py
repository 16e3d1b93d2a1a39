"""How a use case says what it does: by one sentence at a time, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]


def silent(_: str) -> None:
    """Tell nobody."""
