"""Decorators as texts: what ``--with`` takes, ``NAME`` or ``NAME:attribute=value,…`` with values in JSON or plain."""

from __future__ import annotations

import json
import re

from metaflow_hera.errors import UsageError
from metaflow_hera.flow.decorators import STEP_DECORATORS, StepDecorator, problems_of
from metaflow_hera.graph.model import DecoratorSpec

_ATTRIBUTE = re.compile(r"\s*(\w+)\s*=")
_NEXT = re.compile(r",(?=\s*\w+\s*=)")


def parse_decospec(text: str) -> StepDecorator:
    """The decorator behind a text; `UsageError` with everything that is wrong with it.

    >>> parse_decospec("retry:times=4,minutes_between_retries=1")
    retry(times=4, minutes_between_retries=1)
    >>> parse_decospec('environment:vars={"A": "1,B=2"}')
    environment(vars={'A': '1,B=2'})
    """
    name, _, rest = text.partition(":")
    kind = STEP_DECORATORS.get(name.strip())
    if kind is None:
        known = ", ".join(name for name in STEP_DECORATORS if STEP_DECORATORS[name].is_supported)
        raise UsageError(f"--with {text}: there is no step decorator {name!r}; there are {known}")
    attributes = _attributes(text, rest)
    if problems := list(problems_of(DecoratorSpec(name=kind.name, attributes=attributes), STEP_DECORATORS)):
        raise UsageError("\n".join(f"--with {text}: {problem}" for problem in problems))
    decorator: StepDecorator = kind(**attributes)
    return decorator


def _attributes(text: str, rest: str) -> dict[str, object]:
    attributes: dict[str, object] = {}
    place = 0
    while place < len(rest.rstrip()):
        match = _ATTRIBUTE.match(rest, place)
        if match is None:
            raise UsageError(f"--with {text}: expected attribute=value at {rest[place:]!r}")
        if match[1] in attributes:
            raise UsageError(f"--with {text}: {match[1]!r} is given twice")
        attributes[match[1]], place = _value(rest, match.end())
    return attributes


def _value(rest: str, start: int) -> tuple[object, int]:
    """The value that begins at *start*, and where the next attribute begins."""
    start += len(rest[start:]) - len(rest[start:].lstrip())
    if rest[start : start + 1] in ("{", "[", '"'):
        try:
            value, end = json.JSONDecoder().raw_decode(rest, start)
        except ValueError:
            pass  # a plain text that only begins like JSON
        else:
            if end == len(rest.rstrip()) or _NEXT.match(rest, end):
                return value, end + 1
    found = _NEXT.search(rest, start)
    end = found.start() if found else len(rest)
    plain = rest[start:end].strip()
    try:
        return json.loads(plain), end + 1
    except ValueError:
        return plain, end + 1
