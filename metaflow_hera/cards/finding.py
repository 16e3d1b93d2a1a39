"""Which class makes the cards of a type: ours, one that the flow's modules hold, or one of an installed extension."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from metaflow_hera.cards.card import BlankCard, MetaflowCard
from metaflow_hera.cards.default import DefaultCard
from metaflow_hera.errors import StepError

Kind = type[MetaflowCard]

EXTENSIONS = "metaflow_extensions"
"""The peer's name space for packages: cards are in ``metaflow_extensions.<name>.plugins.cards.<package>``."""


def find_card(wanted: str) -> Kind:
    """The class of a type: of several, the one that was defined last; `StepError` if there is none."""
    known: dict[str, Kind] = {kind.type: kind for kind in (DefaultCard, BlankCard)}
    known |= {kind.type: kind for kind in _derived(MetaflowCard) if kind.type and kind not in known.values()}
    if wanted not in known:
        known |= {kind.type: kind for kind in _of_extensions()}
    if wanted not in known:
        raise StepError(
            f"there is no card of type {wanted!r}; types are {', '.join(sorted(known))}: derive a class from "
            f"MetaflowCard with type = {wanted!r} in the flow's file or in a module that it imports"
        )
    return known[wanted]


def _derived(kind: Kind) -> Iterator[Kind]:
    for derived in kind.__subclasses__():
        yield derived
        yield from _derived(derived)


def _of_extensions() -> Iterator[Kind]:
    """What the modules of extensions list as ``CARDS``."""
    for name in sorted(set(_extension_modules())):
        yield from getattr(import_module(name), "CARDS", ())


def _extension_modules() -> Iterator[str]:
    # By the folders and not by the import system: most of them are name spaces, which it does not list.
    for root in (Path(entry or ".") / EXTENSIONS for entry in sys.path):
        for package in root.glob("*/plugins/cards/*"):
            if (package / "__init__.py").is_file():
                yield f"{EXTENSIONS}.{package.parts[-4]}.plugins.cards.{package.name}"
