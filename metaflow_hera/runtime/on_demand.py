"""Packages that only few tasks need, installed when one of them does and the image lacks it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_PACKAGES = frozenset({"cloudpickle"})


class _Installer:
    """Asked last for modules: what nobody else has found, and is ours to install, is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _PACKAGES:
            return None
        import subprocess  # only here

        quietly = ("--quiet", "--disable-pip-version-check", "--root-user-action=ignore")
        pip = [sys.executable, "-m", "pip", "install", *quietly, "--target", self._folder, name]
        if subprocess.run(pip, check=False).returncode != 0:
            return None
        sys.path.append(self._folder)
        importlib.invalidate_caches()
        return PathFinder.find_spec(name, [self._folder])


def install_on_demand(folder: Path) -> None:
    """From now on, an import of such a package installs it into *folder* if it is nowhere else."""
    sys.meta_path.append(_Installer(folder))
