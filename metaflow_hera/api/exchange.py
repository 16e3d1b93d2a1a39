"""What the process of a flow is asked, and what it answers: files in a folder that both know."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from metaflow_hera.errors import ArgumentTypeError
from metaflow_hera.settings import Settings, secret_settings

REQUEST = "request"
REPLY = "reply.json"
RUN_ID = "run_id"
STDOUT = "stdout"
STDERR = "stderr"


@dataclass(frozen=True, kw_only=True)
class Level:
    """A command, or a group of commands, with what Python gave as its arguments; *call* is what its user called."""

    command: str = ""
    """Empty for what is given to all commands."""
    call: str
    given: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Request:
    """Commands of a flow's own command line, from the outside inwards."""

    target: str
    """The flow's file."""
    levels: tuple[Level, ...]

    def write(self, folder: Path) -> None:
        problems = [_unwritable(level, name, value) for level in self.levels for name, value in level.given.items()]
        if any(problems):
            raise ArgumentTypeError("\n".join(filter(None, problems)))
        (folder / REQUEST).write_bytes(pickle.dumps(self))

    @classmethod
    def read(cls, folder: Path) -> Request:
        request = pickle.loads((folder / REQUEST).read_bytes())
        assert isinstance(request, cls)
        return request


def _unwritable(level: Level, name: str, value: object) -> str:
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        return f"{level.call}: {name!r} is a {type(value).__name__}, which no other process can be given: {error}"
    return ""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a process told: before its run began, or when it has done what it was asked."""

    flow: str = ""
    settings: Mapping[str, str] | None = None
    """Those that hold there."""
    refused: str = ""
    """What is wrong with the arguments."""
    is_wrong_type: bool = False
    """Whether it is their type alone."""
    result: Any = None
    """What the command made."""

    def write(self, folder: Path) -> None:
        new = folder / f"{REPLY}.new"
        new.write_text(json.dumps({field.name: getattr(self, field.name) for field in fields(self)}))
        new.replace(folder / REPLY)

    @classmethod
    def read(cls, folder: Path) -> Reply | None:
        """None while there is none."""
        try:
            text = (folder / REPLY).read_text()
        except FileNotFoundError:
            return None
        return cls(**json.loads(text))

    def load_settings(self) -> Settings:
        """The settings of the process; what is secret comes from this one."""
        assert self.settings is not None, "they come with the first reply"
        own = Settings.load()
        return replace(own, **self.settings, origins={name: "the process of the flow" for name in self.settings})


def settings_to_tell(settings: Settings) -> dict[str, str]:
    """All that may be written to a file."""
    names = {field.name for field in fields(settings)} - secret_settings() - {"origins"}
    return {name: getattr(settings, name) for name in sorted(names)}
