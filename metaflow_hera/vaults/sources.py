"""How secrets are named in a flow: ``"type.id"``, or a dictionary with more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_KEYS = ("type", "id", "options", "role")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Source(NamedTuple):
    """One secret."""

    id: str
    type: str | None = None
    """The vault; None for the one of the settings."""
    options: Mapping[str, Any] = _NOTHING
    role: str | None = None

    @property
    def shown(self) -> str:
        """What errors call it."""
        name = ".".join(filter(None, (self.type, self.id)))
        return f"secret {name!r}"


def read_source(written: object, wrong: list[str]) -> Source | None:
    """The secret that is meant; what is *wrong* is added to that, without the values of inline secrets."""
    if isinstance(written, str):
        kind, dot, name = written.partition(".")
        if not kind or (dot and not name):
            wrong.append(f"{written!r} names no secret; write 'aws-secrets-manager.my-secret'")
            return None
        return Source(name, kind) if dot else Source(kind)
    if not isinstance(written, Mapping):
        wrong.append(f"a source is a text or a dictionary, not {type(written).__name__}")
        return None
    found = [*_problems(written)]
    wrong += found
    if found:
        return None
    return Source(
        str(written.get("id", "")), written.get("type"), written.get("options") or _NOTHING, written.get("role")
    )


def _problems(written: Mapping[Any, Any]) -> list[str]:
    found = [f"a source has no {key!r}; it has {', '.join(_KEYS)}" for key in written if key not in _KEYS]
    found += [
        f"the {key} of a source must be a text, not {type(written[key]).__name__}"
        for key in ("type", "id", "role")
        if key in written and not (isinstance(written[key], str) or (written[key] is None and key != "id"))
    ]
    options = written.get("options")
    if options is not None and not isinstance(options, Mapping):
        found.append(f"the options of a source must be a dictionary, not {type(options).__name__}")
    if written.get("type") != "inline" and not written.get("id"):
        found.append("a source needs an id; write {'type': '…', 'id': '…'}")
    return found
