"""Values as short texts, whatever their classes do when they are asked for one."""

from __future__ import annotations

import reprlib

from metaflow_hera.records.values import type_name

LONGEST = 300
"""Characters of a value's text."""


def _shortener() -> reprlib.Repr:
    made = reprlib.Repr()
    made.maxstring = made.maxlong = made.maxother = LONGEST
    made.maxlist = made.maxtuple = made.maxdict = made.maxset = made.maxfrozenset = made.maxarray = 20
    return made


def brief(value: object) -> str:
    """The ``repr`` of a value, in the middle left out what is too long.

    >>> brief({"alpha": 0.5}), len(brief("x" * 1000)) <= LONGEST
    ("{'alpha': 0.5}", True)
    """
    try:
        text = _shortener().repr(value)
    except Exception as error:  # noqa: BLE001  (the user's class may do anything in __repr__)
        return f"<its text cannot be had: {type_name(type(error))}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def shown(value: object) -> str:
    """A value in a table: a text as it is, a number in at most six digits, anything else in brief.

    >>> shown("a"), shown(0.1 + 0.2), shown(1_000_000), shown(None)
    ('a', '0.3', '1000000', 'None')
    """
    if isinstance(value, str):
        return value
    return f"{value:.6g}" if isinstance(value, float) else brief(value)


def size_text(size: int) -> str:
    """A number of bytes for people.

    >>> size_text(17), size_text(2048), size_text(5 << 20)
    ('17 B', '2.0 KiB', '5.0 MiB')
    """
    amount, units = float(size), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while amount >= 1024 and unit != "TiB":
        amount, unit = amount / 1024, next(units)
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
