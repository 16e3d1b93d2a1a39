"""What is said of names that nothing is deployed under."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SHOWN: Final = 5
"""How many names an error lists."""


def not_deployed(name: str, where: str, deployed: Sequence[str]) -> str:
    """Nothing has that name there, but others are *deployed*."""
    known = some_of(deployed, name, "`mfhera list`") or "nothing is"
    return f"{name!r} is not deployed in {where} (deployed: {known})"


def some_of(names: Sequence[str], like: str, listed_by: str) -> str:
    """The names, of many those that are like the one that was given, and then the first ones; *listed_by* shows all.

    >>> some_of(["eval", "score", "trainflow"], "TrainFlwo", "`mfhera list`")
    'trainflow, eval, score'
    >>> some_of(list("abcdefg"), "g", "`mfhera list`")
    'g, a, b, c, d and 2 more, see `mfhera list`'
    """
    from difflib import get_close_matches  # for this mistake only

    by_lower = {name.lower(): name for name in names}
    close = [by_lower[lower] for lower in get_close_matches(like.lower(), by_lower, n=SHOWN)]
    shown = list(dict.fromkeys([*close, *names]))[:SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more, see {listed_by}" if more else "")
