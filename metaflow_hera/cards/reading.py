"""Cards as the Client gives them: those of a task, each read when it is asked for."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

from metaflow_hera.cards import stored
from metaflow_hera.cards.errors import CardNotPresentException, UnresolvableDatastoreException
from metaflow_hera.cards.markup import element, escaped
from metaflow_hera.cards.stored import CardName
from metaflow_hera.client.task import Task
from metaflow_hera.errors import MissingKeyError, StoreError, UsageError
from metaflow_hera.naming import AttemptKeys, RunKeys
from metaflow_hera.store import Store


class Card:
    """A card of a task."""

    def __init__(self, store: Store, keys: AttemptKeys, name: CardName) -> None:
        self._store = store
        self._keys = keys
        self._name = name

    @property
    def type(self) -> str:
        return self._name.type

    @property
    def id(self) -> str | None:
        return self._name.id

    @property
    def path(self) -> str:
        """Where it is: a file or an address in S3."""
        return f"{self._store.uri}/{stored.page_key(self._keys, self._name)}"

    @property
    def hash(self) -> str:
        """The SHA-256 of its HTML, which changes while its step refreshes it."""
        import hashlib  # loads OpenSSL, which takes milliseconds

        return hashlib.sha256(self.get().encode()).hexdigest()

    def get(self) -> str:
        """Its HTML."""
        return bytes(self._store.get(stored.page_key(self._keys, self._name))).decode()

    def get_data(self) -> Any:
        """What its step gave to ``refresh`` last; None if it never did."""
        try:
            return json.loads(bytes(self._store.get(stored.data_key(self._keys, self._name))))
        except MissingKeyError:
            return None

    def view(self) -> str:
        """Open it in a browser; return the address of the file that was opened."""
        import webbrowser  # only here

        file = Path(self.path)
        if not file.is_file():
            file = Path(tempfile.mkdtemp(prefix="mfhera-card-"), f"{self._name}.html")
            file.write_text(self.get(), encoding="utf-8")
        webbrowser.open(file.as_uri())
        return file.as_uri()

    def __repr__(self) -> str:
        return f"<Card {self._name} at {self.path}>"

    def _repr_html_(self) -> str:
        style = "width:100%;height:30rem;border:1px solid #8884"
        return element("iframe", sandbox="allow-popups", srcdoc=self.get(), style=style, title=str(self._name))


class CardContainer(Sequence[Card]):
    """The cards of a task, in the order of its decorators."""

    def __init__(self, cards: Sequence[Card], what: str) -> None:
        self._cards = tuple(cards)
        self._what = what

    def __len__(self) -> int:
        return len(self._cards)

    @overload
    def __getitem__(self, index: int) -> Card: ...
    @overload
    def __getitem__(self, index: slice) -> CardContainer: ...
    def __getitem__(self, index: int | slice) -> Card | CardContainer:
        if isinstance(index, slice):
            return CardContainer(self._cards[index], self._what)
        try:
            return self._cards[index]
        except IndexError as error:
            count = len(self._cards) or "no"
            raise CardNotPresentException(f"{self._what} has {count} cards; there is no card {index}") from error

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards)

    def __repr__(self) -> str:
        return f"CardContainer({list(self._cards)!r})"

    def _repr_html_(self) -> str:
        none = element("p", escaped(f"{self._what} has no cards"))
        return "".join(card._repr_html_() for card in self._cards) or none


def get_cards(
    task: Task | str, id: str | None = None, type: str | None = None, follow_resumed: bool = True
) -> CardContainer:
    """The cards of a task, or of ``Flow/run/step/task``; those with an *id* or of a *type* only, if one is given.

    A task that a resumed run took over has the cards of the task that ran, unless *follow_resumed* is off.
    """
    if not isinstance(task, Task):
        if not isinstance(task, str) or task.count("/") != 3:
            raise UsageError(f"get_cards expects a Task or 'Flow/run/step/task', got {task!r}")
        task = Task(task)
    keys = keys_of(task, follow_resumed=follow_resumed)
    try:
        names = stored.names_of(task._store, keys)
    except StoreError as error:
        raise UnresolvableDatastoreException(f"the cards of {task.pathspec} cannot be listed: {error}") from error
    wanted = (name for name in names if id in (None, name.id) and type in (None, name.type))
    return CardContainer([Card(task._store, keys, name) for name in wanted], task.pathspec)


def keys_of(task: Task, *, follow_resumed: bool = True) -> AttemptKeys:
    """The keys of the attempt whose cards are those of the task."""
    flow, run, step, path = task.path_components
    record = task.record
    if follow_resumed and record is not None and record.origin:
        run, step, path, attempt = record.origin.split("/")
        return RunKeys(flow, run).attempt(step, path, int(attempt))
    return RunKeys(flow, run).attempt(step, path, task.current_attempt)
