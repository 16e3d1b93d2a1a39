"""Files with settings: the nearest pyproject.toml, and the user's own."""

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
    if file is not None and file.is_file():
        yield file, _toml(file)


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
