"""What settings are where nobody says anything: from the process, the user and the working directory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from metaflow_hera.config_files import user_folder

DEPLOYED_WORKERS = 100
"""How many items of each foreach of a deployment may be active at once, unless its deployer says otherwise."""

LOCAL_WORKERS = 16
"""How many tasks of a run on this machine may be active at once, unless its user says otherwise."""


def default_values(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The values of settings that have a default."""
    return {
        "data_dir": str(_nearest_data_dir(cwd)),
        "backend": "embedded",
        "image": f"python:{sys.version_info.major}.{sys.version_info.minor}",
        "token_home": str(folder / "tokens") if (folder := user_folder(environ)) else "",
        "user": _login_name(environ),
    }


def _nearest_data_dir(cwd: Path) -> Path:
    candidates = [folder / ".mfhera" for folder in (cwd, *cwd.parents)]
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])


def _login_name(environ: Mapping[str, str]) -> str:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        if environ.get(name):
            return environ[name]
    try:
        import pwd  # not on every system

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return "unknown"
