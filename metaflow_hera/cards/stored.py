"""Cards in the store: each a document in the folder of the attempt that made it, replaced as a whole when it changes.

::

    <attempt>/cards/00.default.html        the first card of the step
    <attempt>/cards/01.default.fit.html    the second, with the id ``fit``
    <attempt>/cards/01.default.fit.json    what the step gave to ``refresh`` last
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from metaflow_hera.cards.viewers import json_text
from metaflow_hera.naming import AttemptKeys
from metaflow_hera.store import Store

_STEM = re.compile(r"(\d{2,})\.([\w-]+)(?:\.([\w-]+))?\Z", re.ASCII)
_PAGE, _DATA = ".html", ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardName:
    """Which card of an attempt: its place among those of the step, its type, and its id if it has one.

    >>> CardName.parse(str(CardName(number=1, type="default", id="fit")))
    CardName(number=1, type='default', id='fit')
    """

    number: int
    type: str
    id: str | None = None

    def __str__(self) -> str:
        return ".".join(filter(None, (f"{self.number:02d}", self.type, self.id)))

    @classmethod
    def parse(cls, stem: str) -> Self | None:
        match = _STEM.match(stem)
        return cls(number=int(match[1]), type=match[2], id=match[3]) if match else None


def page_key(keys: AttemptKeys, name: CardName) -> str:
    return f"{keys.cards}{name}{_PAGE}"


def data_key(keys: AttemptKeys, name: CardName) -> str:
    return f"{keys.cards}{name}{_DATA}"


def write_page(store: Store, keys: AttemptKeys, name: CardName, page: str) -> None:
    store.put(page_key(keys, name), page.encode("utf-8", "replace"))


def write_data(store: Store, keys: AttemptKeys, name: CardName, data: object) -> None:
    store.put(data_key(keys, name), json_text(data).encode("utf-8", "replace"))


def names_of(store: Store, keys: AttemptKeys) -> list[CardName]:
    """The cards of an attempt, in the order of the decorators."""
    stems = (key.removeprefix(keys.cards).removesuffix(_PAGE) for key in store.keys(keys.cards) if key.endswith(_PAGE))
    found = (CardName.parse(stem) for stem in stems)
    return sorted((name for name in found if name), key=lambda name: name.number)
