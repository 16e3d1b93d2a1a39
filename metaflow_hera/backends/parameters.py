"""The parameters of a run: what was given, and the defaults of the rest; the same rules for every backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from metaflow_hera.errors import ParameterError
from metaflow_hera.plan.records import Plan

LIMIT: Final = 256 * 1024
"""Bytes that all values together may have: they travel inside of Kubernetes objects."""


def completed(plan: Plan, given: Mapping[str, str]) -> dict[str, str]:
    """All parameters of the plan by name, in its order; `ParameterError` with all that is wrong with *given*."""
    if problems := tuple(_problems(plan, given)):
        raise ParameterError(f"{plan.name}: {'; '.join(problems)}")
    return {one.name: given.get(one.name, one.value or "") for one in plan.parameters}


def _problems(plan: Plan, given: Mapping[str, str]) -> Iterator[str]:
    names = [one.name for one in plan.parameters]
    takes = f"it takes {', '.join(names)}" if names else "it takes none"
    for name in sorted(given.keys() - set(names)):
        yield f"there is no parameter {name!r} ({takes})"
    for one in plan.parameters:
        if one.value is None and one.name not in given:
            yield f"the parameter {one.name!r} has no default and must be given (--{one.name})"
    values = (given.get(one.name, one.value or "") for one in plan.parameters)
    size = sum(len(value.encode(errors="replace")) for value in values)
    if size > LIMIT:
        yield (
            f"the values of the parameters have {size:,} bytes, and at most {LIMIT:,} can be passed; put larger inputs "
            "into a file or a bucket and pass its name"
        )
