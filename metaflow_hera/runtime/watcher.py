"""What an attempt tells while it runs, and to whom."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Whoever keeps the logs of an attempt while it runs."""

    def claimed(self, attempt: int) -> None:
        """The attempt has its number; what it printed before belongs to it too."""
        ...

    def joined(self, gang: str) -> None:
        """It is one of several tasks that run together; at that key would be said that another of them has failed."""
        ...

    def before_record(self) -> None:
        """Everything is printed; the record, which is written last, follows when this returns."""
        ...


class Unwatched:
    """Of an attempt whose output nobody keeps."""

    def claimed(self, attempt: int) -> None:
        pass

    def joined(self, gang: str) -> None:
        pass

    def before_record(self) -> None:
        pass
