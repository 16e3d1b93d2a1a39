"""Secrets that stand in the flow itself, for trying things out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metaflow_hera.errors import SecretError


def fetch(id: str, options: Mapping[str, Any], role: str | None) -> Mapping[str, str]:
    """The option ``env_vars``."""
    if unknown := options.keys() - {"env_vars"}:
        raise SecretError(f"its option is env_vars, not {', '.join(map(repr, sorted(unknown)))}")
    values = options.get("env_vars", {})
    if not isinstance(values, Mapping):
        raise SecretError(f"env_vars must be a dictionary, not {type(values).__name__}")
    return values
