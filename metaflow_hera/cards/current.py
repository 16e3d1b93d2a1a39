"""``current.card``: what a step puts on its cards while it runs.

Nothing here fails a step: what cannot be done is told on stderr, once, and left.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Refresh = Callable[[Any, bool], None]
"""Writes a card as it is now, with its data, and by force or only if it is time."""


@dataclass(frozen=True)
class Warner:
    """Tells the user of a step what was left out, each sentence once."""

    step: str
    told: set[str] = field(default_factory=set)

    def __call__(self, text: str) -> None:
        if text not in self.told:
            self.told.add(text)
            sys.stderr.write(f"step {self.step!r}: {text}\n")


class Nothing:
    """Stands for a component or a card that there is not: takes any call and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None

    @property
    def components(self) -> Nothing:
        return self

    def __getitem__(self, id: object) -> Nothing:
        return self

    def __setitem__(self, id: object, value: object) -> None:
        pass


class Components(Mapping[str, Any]):
    """The components of a card that were appended with an id."""

    def __init__(self, named: Mapping[str, Any], warn: Warner) -> None:
        self._named = named
        self._warn = warn

    def __getitem__(self, id: str) -> Any:
        if id in self._named:
            return self._named[id]
        there = f"components with an id are {', '.join(map(repr, self._named))}" if self._named else "none has an id"
        self._warn(f"the card has no component {id!r}: {there}")
        return Nothing()

    def __contains__(self, id: object) -> bool:
        return id in self._named

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


class EditedCard:
    """One card that takes components."""

    def __init__(self, warn: Warner, refresh: Refresh) -> None:
        self._warn = warn
        self._refresh = refresh
        self._content: list[Any] = []
        self._named: dict[str, Any] = {}

    @property
    def content(self) -> tuple[Any, ...]:
        """What is on the card, from the top."""
        return tuple(self._content)

    @property
    def components(self) -> Components:
        return Components(self._named, self._warn)

    def append(self, component: Any, id: str | None = None) -> None:
        """Put a component at the end of the card; with an *id*, ``components[id]`` is it."""
        if id is not None and id in self._named:
            self._warn(f"the card has a component {id!r} already; the second one is there, but without the id")
        elif id is not None:
            self._named[id] = component
        self._content.append(component)

    def extend(self, components: Iterable[Any]) -> None:
        for component in components:
            self.append(component)

    def clear(self) -> None:
        self._content.clear()
        self._named.clear()

    def refresh(self, data: Any = None, force: bool = False) -> None:
        """Write the card as it is now; without *force*, at most as often as its decorator says."""
        self._refresh(data, force)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A card of the step, as far as it matters for who means it."""

    id: str | None
    edited: EditedCard
    is_chosen: bool = False
    """Whether it has ``customize=True``."""


class CurrentCards:
    """``current.card``: the one card that is meant without an id, and all of them by their ids."""

    def __init__(self, cards: Iterable[Written], warn: Warner) -> None:
        self._cards = tuple(cards)
        self._warn = warn

    def __getitem__(self, id: str) -> EditedCard | Nothing:
        found = [card.edited for card in self._cards if card.id == id]
        if len(found) == 1:
            return found[0]
        ids = ", ".join(repr(card.id) for card in self._cards if card.id) or "none"
        what = f"several cards have the id {id!r}" if found else f"no card that takes components has the id {id!r}"
        self._warn(f"{what}, so what is put on current.card[{id!r}] is left out; the ids of the step's cards: {ids}")
        return Nothing()

    def __setitem__(self, id: str, components: Iterable[Any]) -> None:
        card = self[id]
        card.clear()
        card.extend(components)

    def __contains__(self, id: object) -> bool:
        return any(card.id == id for card in self._cards)

    @property
    def components(self) -> Any:
        return self._meant.components

    def append(self, component: Any, id: str | None = None) -> None:
        self._meant.append(component, id)

    def extend(self, components: Iterable[Any]) -> None:
        self._meant.extend(components)

    def clear(self) -> None:
        self._meant.clear()

    def refresh(self, data: Any = None, force: bool = False) -> None:
        self._meant.refresh(data, force)

    @property
    def _meant(self) -> EditedCard | Nothing:
        """The card that is meant without an id: the only one, else the one to customize, else the one without an id."""
        chosen = [card for card in self._cards if card.is_chosen]
        without = [card for card in self._cards if card.id is None]
        for candidates in (self._cards, chosen, without):
            if len(candidates) == 1:
                return candidates[0].edited
        if self._cards:
            ids = ", ".join(f"current.card[{card.id!r}]" for card in self._cards if card.id)
            advice = f"name one of them: {ids}" if ids else "give them ids, as in @card(id='a')"
            self._warn(f"current.card could mean {len(self._cards)} cards, so what is put on it is left out; {advice}")
        else:
            self._warn("no card of the step takes components, so what is put on current.card is left out")
        return Nothing()
