"""The peer's own variables, of the environment and of its configuration file: what they say of our settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from metaflow_hera.config_files import peer_table
from metaflow_hera.naming import POD_DIR_VARIABLE
from metaflow_hera.setting_fields import listed

PREFIX: Final = "METAFLOW_"

_KIND: Final = "METAFLOW_DEFAULT_DATASTORE"
_ROOTS: Final = {"s3": "METAFLOW_DATASTORE_SYSROOT_S3", "local": "METAFLOW_DATASTORE_SYSROOT_LOCAL"}

_OF_ENVIRONMENT: Final = frozenset(
    PREFIX + name
    for name in (
        *("HOME", "PROFILE", "BRANCH", "PRODUCTION", "TRIGGER"),
        *("FLOW_CONFIG", "FLOW_CONFIG_VALUE", "SPIN_PERSIST"),
    )
)
"""What is read, but is no setting: where the file is, and what stands for options of one flow."""
_OF_PARAMETERS: Final = "METAFLOW_RUN_"


class Given(NamedTuple):
    """What one variable is set to; *file* is where, None for the environment."""

    value: str
    file: Path | None = None


class PeerValue(NamedTuple):
    """What the peer's variables say of one setting, or the *problem* why that cannot be used."""

    setting: str
    value: str
    origin: str
    file: Path | None
    problem: str = ""


def peer_variables(environ: Mapping[str, str]) -> dict[str, Given]:
    """All that are set, by name: the environment counts more than the file. Empty is not set.

    A container is told everything that it needs, so it looks for no file.
    """
    tables = () if POD_DIR_VARIABLE in environ else peer_table(environ)
    of_file = {name: Given(_text(value), file) for file, table in tables for name, value in table.items()}
    of_environment = {name: Given(value) for name, value in environ.items() if name.startswith(PREFIX) and value}
    return {name: given for name, given in {**of_file, **of_environment}.items() if given.value}


def peer_values(variables: Mapping[str, Given], fields: Iterable[Any]) -> Iterator[PeerValue]:
    """What they say of the settings with these *fields*."""
    for field in fields:
        if found := {name: variables[name] for name in field.metadata["peer"].split() if name in variables}:
            # Several are lists, of which the peer's pods get all parts.
            parts = dict.fromkeys(part for given in found.values() for part in listed(given.value))
            value = ",".join(parts) if len(found) > 1 else next(iter(found.values())).value
            files = {given.file for given in found.values()}
            yield PeerValue(field.name, value, " and ".join(_told(variables, found)), min(files, key=bool))
    if _KIND in variables:
        yield from _datastore(variables)


def peer_root(variables: Mapping[str, Given], kind: str) -> str | None:
    """Where the peer's datastore of a kind is, ``s3`` or ``local``."""
    given = variables.get(_ROOTS.get(kind, ""))
    return given.value if given else None


def unread(variables: Mapping[str, Given], fields: Iterable[Any]) -> list[str]:
    """Those that mean nothing here, each with the file that it is in."""
    known = {_KIND, *_ROOTS.values(), *(name for field in fields for name in field.metadata["peer"].split())}
    return _told(variables, sorted(name for name in variables.keys() - known if not _is_option(name, variables[name])))


def _datastore(variables: Mapping[str, Given]) -> Iterator[PeerValue]:
    kind = variables[_KIND]
    root = _ROOTS.get(kind.value.lower(), "")
    called = f"{_told(variables, [_KIND])[0]} is {kind.value!r}"
    if given := variables.get(root):
        yield PeerValue("datastore", given.value, _told(variables, [root])[0], given.file)
    elif not root:
        problem = (
            f"{called}, and a datastore is a directory or in S3 here: set MFHERA_DATASTORE, or datastore in "
            "[tool.mfhera] of pyproject.toml, to a directory or s3://bucket/prefix"
        )
        yield PeerValue("datastore", "", _KIND, kind.file, problem)
    elif root == _ROOTS["s3"]:
        problem = f"{called}, but nothing says where in S3: set {root} or MFHERA_DATASTORE to s3://bucket/prefix"
        yield PeerValue("datastore", "", _KIND, kind.file, problem)


def _is_option(name: str, given: Given) -> bool:
    return given.file is None and (name in _OF_ENVIRONMENT or name.startswith(_OF_PARAMETERS))


def _told(variables: Mapping[str, Given], names: Iterable[str]) -> list[str]:
    return [f"{name} in {file}" if (file := variables[name].file) else name for name in names]


def _text(value: Any) -> str:
    """A value as it would stand in the environment: a text as it is, anything else as JSON; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
