"""Decorators as texts: what ``--with`` takes, ``NAME`` or ``NAME:attribute=value,…`` with values in JSON or plain."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from metaflow_hera.errors import UsageError
from metaflow_hera.flow.decorator import StepDecorator
from metaflow_hera.flow.decorators import STEP_DECORATORS, problems_of
from metaflow_hera.graph.model import DecoratorSpec

if TYPE_CHECKING:
    from metaflow_hera.flow.user_decorators import Applied

_ATTRIBUTE = re.compile(r"\s*(\w+)\s*=")
_NEXT = re.compile(r",(?=\s*\w+\s*=)")


def parse_decospec(text: str, flow_class: type | None = None) -> StepDecorator | Applied:
    """The decorator behind a text; `UsageError` with everything that is wrong with it.

    Of several of the user's own that the name could mean, it is the one that the module of *flow_class* has.

    >>> parse_decospec("retry:times=4,minutes_between_retries=1")
    retry(times=4, minutes_between_retries=1)
    >>> parse_decospec('environment:vars={"A": "1,B=2"}')
    environment(vars={'A': '1,B=2'})
    """
    try:
        name, attributes = name_and_attributes(text)
        kind = STEP_DECORATORS.get(name)
        return _user_decorator(name, attributes, flow_class) if kind is None else _ours(kind, attributes)
    except UsageError as error:
        shown = text if text.isprintable() else repr(text)
        raise UsageError("\n".join(f"--with {shown}: {problem}" for problem in str(error).splitlines())) from error


def portable(text: str, decorator: StepDecorator | Applied, flow_class: type) -> str:
    """The text as it means the same in a process that has loaded no more than the flow."""
    kind = decorator.spec.kind
    if kind is None or kind.__module__ in ("__main__", flow_class.__module__):
        return text
    _, colon, rest = text.partition(":")
    return f"{kind.__module__}.{kind.__qualname__}{colon}{rest}"


def name_and_attributes(text: str) -> tuple[str, dict[str, object]]:
    """Both parts of a text; `UsageError` for attributes that cannot be read."""
    name, _, rest = text.partition(":")
    attributes: dict[str, object] = {}
    place = 0
    while place < len(rest.rstrip()):
        match = _ATTRIBUTE.match(rest, place)
        if match is None:
            raise UsageError(f"expected attribute=value at {rest[place:]!r}")
        if match[1] in attributes:
            raise UsageError(f"{match[1]!r} is given twice")
        attributes[match[1]], place = _value(rest, match.end())
    return name.strip(), attributes


def _ours(kind: type[StepDecorator], attributes: Mapping[str, object]) -> StepDecorator:
    if problems := list(problems_of(DecoratorSpec(name=kind.name, attributes=attributes), STEP_DECORATORS)):
        raise UsageError("\n".join(problems))
    decorator: StepDecorator = kind(**attributes)
    return decorator


def _user_decorator(name: str, attributes: Mapping[str, object], flow_class: type | None) -> Applied:
    from metaflow_hera.flow.known import step_kind_named  # all that decorators of the user's own need
    from metaflow_hera.flow.user_decorators import Applied, written
    from metaflow_hera.flow.user_rules import problems_of_use

    spec = written(step_kind_named(name, flow_class), (), attributes)
    if problems := list(problems_of_use(spec, on_step=True)):
        raise UsageError("\n".join(problems))
    return Applied(spec)


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
