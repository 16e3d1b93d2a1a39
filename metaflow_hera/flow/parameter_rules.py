"""The rules of parameters: what is wrong with those of a flow class by what stands in its source alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metaflow_hera.errors import ParameterError
from metaflow_hera.flow.parameters import READERS, Parameter, parameters_of

RESERVED = frozenset(
    [
        *("decospecs", "max-log-size", "max-num-splits", "max-workers", "namespace", "obj", "params", "run-id"),
        *("run-id-file", "runner-attribute-file", "script", "tag", "tags", "task-id", "user-namespace", "with"),
    ]
)
"""Names of options that stand beside a flow's own; with underscores they are the same."""


def problems_of_parameters(flow_class: type) -> Iterator[str]:
    """What is wrong with the parameters of a flow class, by what stands in its source alone."""
    seen: dict[str, str] = {}
    for attribute, parameter in parameters_of(flow_class).items():
        yield from (f"parameter {parameter.name!r}: {text}" for text in _problems(parameter))
        folded = str(parameter.name).lower().replace("_", "-")
        if folded in seen:
            yield (
                f"parameters {seen[folded]!r} and {attribute!r} have the same name, {parameter.name!r}, "
                "where capitals, '-' and '_' count for nothing; rename one"
            )
        seen.setdefault(folded, attribute)
        if folded in RESERVED:
            yield f"parameter {parameter.name!r} has the name of an option of every flow; rename it"


def _problems(parameter: Parameter) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9_][-A-Za-z0-9_]*", str(parameter.name)):
        yield "a name has ASCII letters, digits, '_' and '-', and does not begin with '-'"
    if parameter.unknown:
        known = ", ".join(name for name in parameter.written if name not in parameter.unknown)
        yield f"has no option {', '.join(map(repr, parameter.unknown))}; it takes {known}"
    for option in ("required", "show_default", "separator", "help"):
        if callable(parameter.written.get(option)):
            yield f"{option} cannot be a function; only the default can"
    if parameter.is_file:
        yield from (*parameter.problems(), *_default_problems(parameter))
        return
    if not any(parameter.type is known for known in READERS):
        yield f"the type must be str, int, float, bool or JSONType, not {parameter.type!r}"
        return
    wrong = [*_separator_problems(parameter)]
    yield from wrong or _default_problems(parameter)


def _separator_problems(parameter: Parameter) -> Iterator[str]:
    separator: object = parameter.separator
    if separator is not None and parameter.type is not str:
        yield f"a separator is for texts, not for {parameter.type.__name__}"
    if separator is not None and not (isinstance(separator, str) and separator):
        yield f"the separator must be a text that is not empty, not {separator!r}"


def _default_problems(parameter: Parameter) -> Iterator[str]:
    if not parameter.is_deploy_time:
        try:
            parameter.value_of(parameter.default)
        except ParameterError as error:
            yield f"the default does not fit, as it {str(error).removeprefix(f'parameter {parameter.name!r} ')}"
