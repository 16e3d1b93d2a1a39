"""@secrets: which secrets are environment variables of a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from metaflow_hera.flow import checks
from metaflow_hera.flow.decorator import StepDecorator
from metaflow_hera.vaults.sources import Source, read_source


class secrets(StepDecorator):  # noqa: N801  (decorators have the peer's names)
    """Give the step the values of secrets as environment variables while it runs; *role* is whom to be to read them.

    A source is ``"aws-secrets-manager.ID"``, or a dictionary with type, id, options and role. What the environment has
    already is kept, and an error, unless *allow_override* is true.
    """

    sources: Any = ()
    role: str | None = None
    allow_override: bool = False

    def problems(self) -> Iterator[str]:
        if not isinstance(self.sources, list | tuple):
            yield f"sources must be a list, not {type(self.sources).__name__}"
        else:
            wrong: list[str] = []
            self.read(wrong)
            yield from wrong
        yield from checks.words("role", self.role)
        yield from checks.truth("allow_override", self.allow_override)

    def read(self, wrong: list[str]) -> list[Source]:
        """The sources that are one; what is *wrong* with the others is added to that."""
        return [source for written in self.sources if (source := read_source(written, wrong)) is not None]
