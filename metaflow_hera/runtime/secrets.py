"""@secrets in a task: from what is written to environment variables."""

from __future__ import annotations

from metaflow_hera.errors import SecretError
from metaflow_hera.flow import secrets as written
from metaflow_hera.flow.decorators import decorator_of
from metaflow_hera.graph.model import Step
from metaflow_hera.settings import Settings, environment
from metaflow_hera.vaults import variables


def secret_variables(step: Step, settings: Settings) -> dict[str, str]:
    """The variables that the secrets of a step give; `SecretError` with everything that is wrong with any."""
    decorator = decorator_of(step, written.secrets)
    if decorator is None:
        return {}
    taken = () if decorator.allow_override else environment().keys()
    try:
        return variables(decorator.read([]), decorator.role, settings, taken)
    except SecretError as error:
        raise SecretError("\n".join(f"@secrets: {line}" for line in str(error).splitlines())) from error
