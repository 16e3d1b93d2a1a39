"""Imports all commands and what they need, for processes that are forked from the one that has done so."""

from __future__ import annotations

import pkgutil
from importlib import import_module

for room in ("argo", "backends", "cli", "deploy"):
    package = import_module(f"metaflow_hera.{room}")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name)
