"""What is told of the end of a run, and what a channel makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from metaflow_hera.naming import pathspec, workflow_of_run
from metaflow_hera.settings import Settings, variable

KEY_LIMIT: Final = 255
"""Of the key by which a service knows that it has an event already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run ended; *message* is its first failure."""

    flow: str
    run: str
    succeeded: bool
    message: str = ""
    finished: float = 0.0
    """Seconds since the epoch."""
    link: str = ""
    alert_source: str = ""
    alert_metadata: tuple[str, ...] = ()
    secret: str = ""
    """The Kubernetes Secret that has the URLs and keys of channels; empty where the environment has them without."""

    @property
    def pathspec(self) -> str:
        return pathspec(self.flow, self.run)

    @property
    def key(self) -> str:
        """The same for every event of the run."""
        return self.pathspec[-KEY_LIMIT:]

    @property
    def headline(self) -> str:
        return f"{self.pathspec} {'succeeded' if self.succeeded else 'failed'}"

    @property
    def time(self) -> str:
        return datetime.fromtimestamp(self.finished, UTC).isoformat(timespec="seconds")

    @property
    def facts(self) -> dict[str, str]:
        """For services that take fields of one's own."""
        known = {
            "flow": self.flow,
            "run": self.run,
            "status": "Succeeded" if self.succeeded else "Failed",
            "finished": self.time,
            "failure": shortened(self.message, 4000),
            "look": self.hint,
        }
        return {name: value for name, value in known.items() if value}

    @property
    def hint(self) -> str:
        """How to see more."""
        retry = f", mfhera retry {self.run}" if not self.succeeded and workflow_of_run(self.run) else ""
        return f"mfhera status {self.run}, mfhera logs {self.run}{retry}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A POST of JSON."""

    url: str
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """What no sentence about it may show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A service that tells people."""

    name: str
    title: str
    setting: str
    """With its URL or key, a secret."""
    message: Callable[[RunEnd, Settings], Message]
    problem: Callable[[RunEnd, Settings], str] = lambda end, settings: ""
    """What keeps it from being told, as the end of a sentence; empty if nothing does."""

    @property
    def variable(self) -> str:
        return variable(self.setting)


def shortened(text: str, limit: int) -> str:
    """*text* as UTF-8 can hold it, at most *limit* characters of it.

    >>> shortened("a\\ud800b", 9), shortened("abcdef", 4)
    ('a?b', 'abc…')
    """
    clean = text.encode(errors="replace").decode()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
