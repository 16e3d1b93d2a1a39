"""Functions that are named as text."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from metaflow_hera.errors import UsageError


def located(name: str, owner: str) -> Callable[[Any], Any]:
    """The function ``module.function``; one that begins with ``.`` is among our own public names."""
    module, _, function = f"metaflow_hera{name}".rpartition(".") if name.startswith(".") else name.rpartition(".")
    try:
        found = getattr(import_module(module), function)
    except Exception as error:  # what a module does when it is imported may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(
            f"{owner}: its parser {name!r} cannot be found ({reason}); write 'module.function', or pass the function"
        ) from error
    if not callable(found):
        raise UsageError(f"{owner}: its parser {name!r} is no function, but {found!r}")
    return found  # type: ignore[no-any-return]
