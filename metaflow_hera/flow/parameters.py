"""Parameters of a flow: what a person gives when a run starts, as text and as values."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from metaflow_hera.errors import FlowError, ParameterError, Problem

NONE = "<none>"
"""How the absence of a value is written where only texts are."""

_TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))
_FALSE = frozenset(("0", "false", "f", "no", "n", "off"))


class JSONType:
    """The type of a parameter that is given as JSON and is in the steps what the JSON says."""


_EXPECTED = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    JSONType: "JSON",
}


class ParameterContext(NamedTuple):
    """What a deploy-time function is told."""

    flow_name: str
    user_name: str
    parameter_name: str
    logger: Callable[[str], None]
    ds_type: str = "local"
    configs: Mapping[str, object] = MappingProxyType({})


class Parameter:
    """A parameter of a flow, as an attribute of its class; *default* may be a function of a `ParameterContext`.

    Without a default and with ``required=True`` it must be given; without both it is None unless it is given. What
    is wrong with it is told by `problems_of_parameters`, with all other problems of the flow.
    """

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,
        help: str | None = None,
        required: bool | None = None,
        *,
        show_default: bool = True,
        separator: str | None = None,
        **unknown: object,
    ) -> None:
        self.name = name
        self.default = default
        self.type = _type_of(default, separator) if type is None else type
        self.help = help or ""
        self.required = bool(required) and default is None
        self.show_default = show_default
        self.separator = separator
        self.unknown = unknown
        self.attribute = name

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        state = flow._mfhera_task
        if state is not None and self.attribute in state.scope.fixed:
            return state.scope.fixed[self.attribute]
        if self.is_deploy_time:
            raise AttributeError(f"parameter {self.name!r} has a value when a run has started, not before")
        return self.value_of(self.default)

    def __set__(self, flow: Any, value: object) -> None:
        raise AttributeError(f"self.{self.attribute} is a parameter and the same in all steps")

    def __repr__(self) -> str:
        return f"Parameter({self.name!r})"

    @property
    def is_deploy_time(self) -> bool:
        """Whether the default is a function, called once when a run or a deployment begins."""
        return callable(self.default)

    @property
    def expected(self) -> str:
        """What a value is, in words."""
        return f"texts with {self.separator!r} between them" if self.separator else _EXPECTED.get(self.type, "a text")

    def value_of(self, default: object) -> Any:
        """A default, static or computed, as the value that steps see; `ParameterError` if it is of another type."""
        if default is None:
            return None
        if isinstance(default, str):
            return self.from_text(default)
        if self.separator and isinstance(default, list | tuple) and all(isinstance(part, str) for part in default):
            return list(default)
        if self.type is JSONType:
            return self._json_value(default)
        return self._plain_value(default)

    def _json_value(self, default: object) -> Any:
        try:
            return json.loads(json.dumps(default))
        except (TypeError, ValueError, RecursionError) as error:
            raise self._error(default, f"JSON cannot hold it: {error}") from error

    def _plain_value(self, default: object) -> Any:
        is_number = isinstance(default, int | float) and not isinstance(default, bool)
        if type(default) is self.type:
            return default
        if self.type is float and is_number:
            return float(default)  # type: ignore[arg-type]
        if self.type is str and is_number:
            return str(default)
        raise self._error(default, f"it is of type {type(default).__name__}")

    def to_text(self, value: object) -> str:
        """A value as a person types it: texts without quotes, all else as JSON, None as ``<none>``."""
        if value is None:
            return NONE
        if self.separator and isinstance(value, list | tuple):
            return self.separator.join(value)
        if self.type is str:
            return str(value)
        return json.dumps(value, ensure_ascii=False)

    def from_text(self, text: str) -> Any:
        """The value behind what a person typed; `ParameterError` for a text that cannot be one."""
        if text == NONE:
            return None
        try:
            text.encode()
            return text.split(self.separator) if self.separator else READERS[self.type](text)
        except (ValueError, RecursionError) as error:
            reason = str(error) if self.type is JSONType else ""
            raise self._error(text, reason) from error

    def _error(self, found: object, reason: str) -> ParameterError:
        because = f" ({reason})" if reason else ""
        return ParameterError(f"parameter {self.name!r} takes {self.expected}, not {_short(found)}{because}")


def _read_bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


READERS: Mapping[Any, Callable[[str], Any]] = {str: str, int: int, float: float, bool: _read_bool, JSONType: json.loads}
"""The types that parameters can have, and what reads each."""


def _type_of(default: object, separator: object) -> Any:
    """The type that a default speaks of; of a deploy-time function, or of nothing, a text."""
    if isinstance(default, list | dict):
        return JSONType if separator is None else str
    return type(default) if type(default) in (int, float, bool) else str


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def parameters_of(flow_class: type) -> dict[str, Parameter]:
    """The parameters of a flow class by attribute, in the order of the source, those of its bases first."""
    found: dict[str, Parameter] = {}
    for base in reversed(flow_class.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Parameter):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def log_to_stderr(line: str) -> None:
    """Where deploy-time functions log to, unless told otherwise."""
    print(line, file=sys.stderr)  # noqa: T201


def resolve_defaults(
    flow_class: type, user_name: str, ds_type: str = "local", logger: Callable[[str], None] = log_to_stderr
) -> dict[str, object]:
    """The default values by parameter name, of all that need not be given; each deploy-time function is called once."""
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for parameter in parameters_of(flow_class).values():
        if parameter.required:
            continue
        context = ParameterContext(
            flow_name=flow_class.__name__,
            user_name=user_name,
            parameter_name=parameter.name,
            logger=logger,
            ds_type=ds_type,
        )
        try:
            values[parameter.name] = _default(parameter, context)
        except ParameterError as error:
            problems.append(Problem(str(error)))
    if problems:
        raise FlowError(problems)
    return values


def _default(parameter: Parameter, context: ParameterContext) -> object:
    if not parameter.is_deploy_time:
        return parameter.value_of(parameter.default)
    try:
        computed = parameter.default(context)
    except Exception as error:  # the user's function may raise anything
        raise ParameterError(
            f"the function for the default of parameter {parameter.name!r} raised {type(error).__name__}: {error}"
        ) from error
    try:
        return parameter.value_of(computed)
    except ParameterError as error:
        raise ParameterError(f"the function for the default of {error}") from error


def parameter_values(flow_class: type, texts: Mapping[str, str]) -> dict[str, object]:
    """The values by attribute, from texts by parameter name; `ParameterError` with everything that is wrong."""
    parameters = parameters_of(flow_class)
    names = [parameter.name for parameter in parameters.values()]
    problems = [
        f"{flow_class.__name__} has no parameter {name!r}; it has {', '.join(names) or 'none'}"
        for name in texts
        if name not in names
    ]
    values: dict[str, object] = {}
    for attribute, parameter in parameters.items():
        try:
            values[attribute] = _value(parameter, texts)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    return values


def _value(parameter: Parameter, texts: Mapping[str, str]) -> object:
    if parameter.name in texts:
        value = parameter.from_text(texts[parameter.name])
        if value is None and parameter.required:
            raise _missing(parameter)
        return value
    if parameter.required or parameter.is_deploy_time:
        raise _missing(parameter)
    return parameter.value_of(parameter.default)


def _missing(parameter: Parameter) -> ParameterError:
    return ParameterError(f"parameter {parameter.name!r} must be given (--{parameter.name}): {parameter.expected}")
