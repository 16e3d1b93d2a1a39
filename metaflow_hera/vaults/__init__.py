"""Secrets from where they are kept: a vault is a function that gets one secret.

``inline`` and ``aws-secrets-manager`` are here. Any other is an entry point of its name in the group
``metaflow_hera.vaults``, of whatever package is installed where the task runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Protocol

from metaflow_hera.errors import MetaflowHeraError, SecretError
from metaflow_hera.settings import Settings
from metaflow_hera.vaults.sources import Source, read_source

GROUP: Final = "metaflow_hera.vaults"

_HERE: Mapping[str, str] = {"aws-secrets-manager": "metaflow_hera.vaults.aws", "inline": "metaflow_hera.vaults.inline"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED = ("METAFLOW_", "MFHERA_")


class Vault(Protocol):
    """What an entry point is: the function that gets a secret."""

    def __call__(self, id: str, options: Mapping[str, Any], role: str | None) -> Mapping[str, str]:
        """The values of the secret by the names of environment variables; *role* is whom to be to read it."""
        ...


def get_secret(source: str | Mapping[str, Any], role: str | None = None) -> dict[str, str]:
    """The values of one secret, written as in @secrets; `SecretError` if they cannot be had."""
    wrong: list[str] = []
    read = read_source(source, wrong)
    if read is None or wrong:
        raise SecretError("get_secret(): " + "; ".join(wrong))
    settings = Settings.load()
    return _fetched(read, role, settings)


def variables(
    sources: Sequence[Source], role: str | None, settings: Settings, taken: Collection[str]
) -> dict[str, str]:
    """The environment variables that all of the secrets give.

    None of the *taken* ones may be among them. `SecretError` with everything that is wrong with any; no message has
    a value in it.
    """
    found: dict[str, str] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for source in sources:
        try:
            values = _fetched(source, role, settings)
        except SecretError as error:
            problems.append(str(error))
            continue
        for name, value in values.items():
            problems += (f"{source.shown} {text}" for text in _problems(name, value, taken))
            if name in found:
                problems.append(f"{source.shown} gives {name}, and so does {origins[name]}; keep one")
            found[name], origins[name] = value, source.shown
    if problems:
        raise SecretError("\n".join(problems))
    return found


def _problems(name: object, value: object, taken: Collection[str]) -> Iterator[str]:
    if not isinstance(name, str) or not _VARIABLE.match(name):
        yield f"gives {name!r}, which cannot be the name of an environment variable"
        return
    if name.startswith(_RESERVED):
        yield f"gives {name}, but names that begin with {' or '.join(_RESERVED)} are not for secrets; rename it"
    if name in taken:
        yield f"gives {name}, which the environment has already; rename it, or say allow_override=True"
    if not isinstance(value, str):
        yield f"gives {name} as {type(value).__name__}, but an environment variable is a text; store it as one"
    elif "\0" in value:
        yield f"gives {name} with a null character, which an environment variable cannot hold"


def _fetched(source: Source, role: str | None, settings: Settings) -> dict[str, str]:
    kind = source.type or settings.secrets_backend
    if not kind:
        raise SecretError(
            f"{source.shown} does not say where it is kept; write {{type}}.{source.id}, for example "
            f"aws-secrets-manager.{source.id}, or set MFHERA_SECRETS_BACKEND"
        )
    vault = _vault(kind, source)
    try:
        values = vault(source.id, source.options, source.role or role or settings.secrets_role or None)
    except MetaflowHeraError as error:
        raise SecretError(f"{source.shown} cannot be had: {error}") from error
    except Exception as error:
        raise SecretError(f"{source.shown} cannot be had: {type(error).__name__}: {error}") from error
    if not isinstance(values, Mapping):
        raise SecretError(f"{source.shown} cannot be had: its vault gave {type(values).__name__}, not names and values")
    return dict(values)


def _vault(kind: str, source: Source) -> Vault:
    if kind in _HERE:
        vault: Vault = import_module(_HERE[kind]).fetch
        return vault
    from importlib.metadata import entry_points  # reads the metadata of all packages, for vaults of others only

    for point in entry_points(group=GROUP, name=kind):
        try:
            vault = point.load()
        except Exception as error:
            raise SecretError(f"{source.shown}: the plug for {kind!r} cannot be loaded: {error}") from error
        return vault
    raise SecretError(
        f"{source.shown}: there is nothing here that reads from {kind!r}; install a package with an entry point of "
        f"that name in the group {GROUP!r} (there are {' and '.join(_HERE)} without one)"
    )
