"""Parameters of a flow: what a person gives when a run starts, as text and as values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from metaflow_hera.errors import ParameterError

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


class Given:
    """An attribute of a flow class whose value is given when a run starts: in the steps it cannot be changed."""

    def outside(self) -> Any:
        """The value where the flow does not run; `AttributeError` says why there is none."""
        raise AttributeError("there is no value before the flow runs")


class Parameter(Given):
    """A parameter of a flow, as an attribute of its class; *default* may be a function of a `ParameterContext`.

    Without a default and with ``required=True`` it must be given; without both it is None unless it is given. What
    is wrong with it is told by `problems_of_parameters`, with all other problems of the flow.
    """

    is_file: ClassVar[bool] = False
    """Whether it is given as the path of a file, whose content is the value: `IncludeFile`."""

    def __init__(
        self,
        name: str,
        default: Any = None,
        type: Any = None,
        help: str | None = None,
        required: bool | None = None,
        show_default: bool | None = None,
        *,
        separator: str | None = None,
        **unknown: object,
    ) -> None:
        self.name = name
        self.written: Mapping[str, object] = {
            "default": default,
            "type": type,
            "help": help,
            "required": required,
            "show_default": show_default,
            "separator": separator,
            **unknown,
        }
        self.default = default
        self.type = _type_of(default, separator) if type is None else type
        self.help = "" if help is None else help
        self.required = default is None and required not in (None, False)
        self.show_default = show_default is not False
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
        return self.outside()

    def outside(self) -> Any:
        if self.is_deploy_time:
            raise AttributeError(f"parameter {self.name!r} has a value when a run has started, not before")
        return self.value_of(self.default)

    def __set__(self, flow: Any, value: object) -> None:
        raise AttributeError(f"self.{self.attribute} is a parameter and the same in all steps")

    def __repr__(self) -> str:
        return f"Parameter({self.name!r})"

    def problems(self) -> Iterator[str]:
        """What is wrong with what only parameters of its own kind have, as ends of a sentence."""
        return iter(())

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
            return self._separable(list(default))
        if self.type is JSONType:
            return self._json_value(default)
        return self._plain_value(default)

    def _separable(self, parts: list[str]) -> list[str]:
        if self.from_text(self.to_text(parts)) != parts:
            raise self._error(parts, "written with the separator, it would be read as other texts")
        return parts

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


def given_of(flow_class: type) -> dict[str, Given]:
    """Parameters and configs of a flow class by attribute, in the order of the source, those of its bases first."""
    found: dict[str, Given] = {}
    for base in reversed(flow_class.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Given):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def config_attributes(flow_class: type) -> tuple[str, ...]:
    """The configs alone, by attribute: what is given and no parameter. What they are, `flow.configs` knows."""
    return tuple(name for name, value in given_of(flow_class).items() if not isinstance(value, Parameter))


def parameters_of(flow_class: type) -> dict[str, Parameter]:
    """The parameters alone."""
    return {name: value for name, value in given_of(flow_class).items() if isinstance(value, Parameter)}
