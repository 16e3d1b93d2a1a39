"""Exceptions of the peer's that flows raise themselves; those that we raise, too, are in `errors`."""

from __future__ import annotations

from metaflow_hera.errors import MetaflowHeraError


class ExternalCommandFailed(MetaflowHeraError):  # noqa: N818  (the peer's name, which flows know)
    """A command that a step started did not succeed."""

    headline = "External command failed"
    known_as = "metaflow.exception.ExternalCommandFailed"


class MetaflowInternalError(MetaflowHeraError):
    """Something that should not have happened."""

    headline = "Internal error"
    known_as = "metaflow.exception.MetaflowInternalError"
