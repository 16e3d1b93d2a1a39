"""`@card` as a record; what it does is in `cards` and in `runtime.cards`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from metaflow_hera.flow import checks
from metaflow_hera.flow.decorator import StepDecorator

# A part of a key, and of what is typed after --id.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class card(StepDecorator):  # noqa: N801  (decorators have the peer's names)
    """Keep a page about each task with it: what the step put on ``current.card``, or what a class of the user's makes.

    *scope* and *rank* are taken for the peer's sake and mean nothing here.
    """

    repeats = True

    type: str = "default"
    id: str | None = None
    options: Mapping[str, Any] = _NOTHING
    timeout: float = 45
    scope: str = "task"
    rank: int | None = None
    save_errors: bool = True
    customize: bool = False
    refresh_interval: float = 5

    def problems(self) -> Iterator[str]:
        for name in ("type", "id"):
            value = getattr(self, name)
            if not (isinstance(value, str) and _NAME.match(value)) and not (name == "id" and value is None):
                yield f"{name} must be a word of at most 100 letters, digits, '_' and '-', not {value!r}"
        yield from checks.mapping("options", self.options, lambda _, __: None)
        yield from checks.number("timeout", self.timeout, above=0)
        yield from checks.number("refresh_interval", self.refresh_interval, at_least=0)
        for name in ("save_errors", "customize"):
            yield from checks.truth(name, getattr(self, name))
