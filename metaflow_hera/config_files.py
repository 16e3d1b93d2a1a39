"""Files with settings: the nearest pyproject.toml, the user's own, and the peer's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from metaflow_hera.errors import SettingsError

Table = tuple[Path, Mapping[str, Any]]
"""A file and what it says of us."""


def project_table(start: Path) -> Iterator[Table]:
    """``[tool.mfhera]`` in the nearest pyproject.toml at or above a folder, empty if that has none."""
    for folder in (start, *start.parents):
        if (file := folder / "pyproject.toml").is_file():
            tools = _toml(file).get("tool", {}) if b"mfhera" in _content(file) else {}
            yield file, tools.get("mfhera", {})
            break


def user_table(environ: Mapping[str, str]) -> Iterator[Table]:
    """The user's own file, if there is one."""
    file = user_config_file(environ)
    if file is not None and _is_there(file):
        yield file, _toml(file)


def peer_table(environ: Mapping[str, str]) -> Iterator[Table]:
    """The peer's own file, as its command `configure` writes it, if there is one."""
    home, profile = environ.get("METAFLOW_HOME") or "~/.metaflowconfig", environ.get("METAFLOW_PROFILE")
    try:
        file = Path(home).expanduser() / (f"config_{profile}.json" if profile else "config.json")
    except RuntimeError:  # a user without a home has none
        return
    if _is_there(file):
        yield file, _json_object(file)
    elif profile:
        raise SettingsError(
            f"{file}: there is no such file, but METAFLOW_PROFILE is {profile!r}; write it, or unset that variable"
        )


def user_config_file(environ: Mapping[str, str]) -> Path | None:
    """Where a user's own settings lie, None for a user without a home."""
    if chosen := environ.get("MFHERA_CONFIG_FILE"):
        return Path(chosen)
    folder = user_folder(environ)
    return folder / "config.toml" if folder else None


def user_folder(environ: Mapping[str, str]) -> Path | None:
    """Where all that is a user's own lies, None for a user without a home."""
    if sys.platform != "linux":
        from platformdirs import user_config_path  # its rules are short on Linux, where every container comes by

        return user_config_path("mfhera")
    else:
        home = f"{environ['HOME']}/.config" if environ.get("HOME") else ""
        folder = environ.get("XDG_CONFIG_HOME") or home
        return Path(folder, "mfhera") if folder else None


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except PermissionError:  # below a home that is somebody else's, as after `sudo -u`
        return False


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error


def _toml(file: Path) -> dict[str, Any]:
    import tomllib  # only where there is a file to read

    try:
        return tomllib.loads(_content(file).decode())
    except ValueError as error:
        raise SettingsError(f"{file}: cannot be read as TOML: {error}") from error


def _json_object(file: Path) -> dict[str, Any]:
    import json  # only where there is a file to read

    try:
        read = json.loads(_content(file))
    except ValueError as error:
        raise SettingsError(f"{file}: cannot be read as JSON: {error}; mend it, or move it away") from error
    if not isinstance(read, dict):
        found = type(read).__name__
        raise SettingsError(f"{file}: must be a JSON object of METAFLOW_ names and their values, and is a {found}")
    return read
