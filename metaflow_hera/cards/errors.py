"""What can be wrong with asking for cards, by the peer's names."""

from __future__ import annotations

from typing import ClassVar

from metaflow_hera.errors import NotFoundError, StoreError


class CardNotPresentException(NotFoundError, IndexError):  # noqa: N818  (the peer's name, which flows know)
    """The task has no such card."""

    known_as: ClassVar = "metaflow.plugins.cards.exception.CardNotPresentException"


class UnresolvableDatastoreException(StoreError):  # noqa: N818  (the peer's name, which flows know)
    """The datastore of the task, in which its cards are, cannot be read."""

    known_as: ClassVar = "metaflow.plugins.cards.exception.UnresolvableDatastoreException"
