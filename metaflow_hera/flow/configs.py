"""Configs of a flow: what is read when it is launched, and may decide on its decorators and parameters, too."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from metaflow_hera.errors import ConfigError, UsageError
from metaflow_hera.flow.config_value import frozen, wrapped
from metaflow_hera.flow.delayed import Delayed, Written
from metaflow_hera.flow.located import located
from metaflow_hera.flow.parameters import Given, given_of

_UNSETTLED: Any = object()
"""The value of a config of a class that was not launched."""


class ConfigSpec(NamedTuple):
    """A config as it was declared, and its value once the flow is launched."""

    name: str
    default: Any = None
    """A path, or a function of a `ParameterContext` that gives one."""
    default_value: Any = None
    """A dictionary, or a text to be parsed, or a function of a `ParameterContext` that gives one."""
    help: str | None = None
    required: bool | None = None
    parser: Callable[[str], Any] | str | None = None
    plain: bool = False
    """Whether the value may be something else than a dictionary, and a text is taken as it is."""
    show_default: bool | None = None
    unknown: Mapping[str, object] = {}
    attribute: str = ""
    value: Any = _UNSETTLED

    @property
    def is_settled(self) -> bool:
        """Whether it has the value of a launch."""
        return self.value is not _UNSETTLED

    def problems(self) -> Iterator[str]:
        """What is wrong with how it was declared."""
        if type(self.name) is not str or not self.name:
            yield f"a config has a text as its name, not {self.name!r}"
        if self.default is not None and self.default_value is not None:
            yield f"{self} has both default and default_value; keep the path or the value"
        for option in self.unknown:
            known = "default, default_value, help, required, parser, plain, show_default"
            yield f"{self} has no option {option!r}; it takes {known}"
        parser: Any = self.parser
        if not (parser is None or callable(parser) or isinstance(parser, str)):
            yield f"{self}: its parser is a function of a text, or 'module.function', not {parser!r}"

    def __str__(self) -> str:
        return f"config {self.name!r}"

    def default_for(self, context: object) -> Any:
        """The value where none is given; functions are called with *context*; `ConfigError` if there is none."""
        if self.default_value is not None:
            value = self._called(self.default_value, context)
            return self.read(value, "its default_value") if isinstance(value, str) else self.checked(value)
        if self.default is not None:
            path = self._called(self.default, context)
            return None if path is None else self.read_file(path, "its default")
        if self.required:
            raise ConfigError(f"{self} must be given: --config {self.name} FILE, or --config-value {self.name} JSON")
        return None

    def _called(self, given: Any, context: object) -> Any:
        if not callable(given):
            return given
        try:
            return given(context)
        except Exception as error:  # the user's function may raise anything
            raise ConfigError(f"{self}: the function for its default raised {type(error).__name__}: {error}") from error

    def read_file(self, path: str | Path, origin: str) -> Any:
        """The value in a file; *origin* says who named it."""
        file = _absolute(path)
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ConfigError(
                f"{self}: there is no file {file}, which is {origin} (relative paths begin at the working directory)"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self}: {file} is no text in UTF-8: {error.reason} at byte {error.start}") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"{self}: {file}, which is {origin}, cannot be read: {reason}") from error
        return self.read(text, str(file))

    def read(self, text: str, origin: str) -> Any:
        """The value that a text stands for; *origin* says where the text is from."""
        if self.parser is None:
            return self.checked(text if self.plain else self._json(text, origin))
        parse = self._parser()
        try:
            value = parse(text)
        except Exception as error:  # the user's parser may raise anything
            told = " ".join(f"{type(error).__name__}: {error}".split())
            raise ConfigError(f"{self}: its parser {self._parser_name} refuses {origin}: {told}") from error
        return self.checked(value)

    def checked(self, value: object) -> Any:
        """*value* as JSON holds it; `ConfigError` for what cannot be the value of this config."""
        if value is None:
            return None
        if not self.plain and not isinstance(value, Mapping):
            by = f"its parser {self._parser_name} gives" if self.parser else "it is"
            raise ConfigError(
                f"{self}: {by} a value of type {type(value).__name__}, and without plain=True it must be a dictionary"
            )
        try:
            return frozen(value, self.name)
        except ConfigError as error:
            raise ConfigError(f"{self}: {error}") from error
        except RecursionError as error:
            raise ConfigError(f"{self} is nested too deeply") from error

    def _json(self, text: str, origin: str) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            where = f"{origin}:{error.lineno}:{error.colno}"
            raise ConfigError(f"{self}: {where} is not JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self}: {origin} is not JSON: {error}") from error

    @property
    def _parser_name(self) -> str:
        return self.parser if isinstance(self.parser, str) else getattr(self.parser, "__name__", repr(self.parser))

    def _parser(self) -> Callable[[str], Any]:
        return located(self.parser, str(self)) if isinstance(self.parser, str) else self.parser  # type: ignore[return-value]


class _OfFlow(Given):
    """A config as an attribute of a flow class."""

    _mfhera_config: ConfigSpec

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        spec = self._mfhera_config
        kept, state = vars(flow), flow._mfhera_task
        if state is None or spec.attribute not in state.scope.fixed:
            return self.outside()
        if spec.attribute not in kept:
            kept[spec.attribute] = wrapped(state.scope.fixed[spec.attribute])
        return kept[spec.attribute]

    def outside(self) -> Any:
        return wrapped(_value_outside(self._mfhera_config))

    def __set__(self, flow: Any, value: object) -> None:
        raise AttributeError(f"self.{self._mfhera_config.attribute} is a config and the same in all steps")


class Config(_OfFlow, Delayed):
    """A config of a flow, as an attribute of its class: a JSON file, or what *parser* makes of a file's text.

    While the class is defined its attributes and items are expressions, to be used in decorators and in parameters;
    in steps it is a dictionary that nothing changes. What is wrong with it is told when the flow is launched.
    """

    def __init__(
        self,
        name: str,
        default: Any = None,
        default_value: Any = None,
        help: str | None = None,
        required: bool | None = None,
        parser: Callable[[str], Any] | str | None = None,
        *,
        plain: bool = False,
        show_default: bool | None = None,
        **unknown: object,
    ) -> None:
        frame = sys._getframe(1)
        super().__init__(Written(str(name), frame.f_code.co_filename, frame.f_lineno), lambda names: names[name])
        self._mfhera_config = ConfigSpec(
            name=name,
            default=default,
            default_value=default_value,
            help=help,
            required=required,
            parser=parser,
            plain=plain,
            show_default=show_default,
            unknown=unknown,
            attribute=name,
        )

    def __set_name__(self, owner: type, name: str) -> None:
        self._mfhera_config = self._mfhera_config._replace(attribute=name)


class SettledConfig(_OfFlow):
    """A config with the value that it has in a launch."""

    def __init__(self, spec: ConfigSpec, value: object) -> None:
        self._mfhera_config = spec._replace(value=value)

    def __repr__(self) -> str:
        return self._mfhera_config.name


def _value_outside(spec: ConfigSpec) -> Any:
    """What a config is where its flow does not run: the value of the launch, else its default."""
    if spec.is_settled:
        return spec.value
    if callable(spec.default) or callable(spec.default_value):
        raise AttributeError(f"{spec} has a value when its flow is launched, not before")
    try:
        return spec.default_for(None)
    except UsageError as error:
        raise AttributeError(f"{spec} has no value outside of a run: {error}") from error


def configs_of(flow_class: type) -> dict[str, ConfigSpec]:
    """The configs of a flow class by attribute, in the order of the source, those of its bases first."""
    found = given_of(flow_class).items()
    return {name: given._mfhera_config._replace(attribute=name) for name, given in found if isinstance(given, _OfFlow)}


def _absolute(path: str | Path) -> Path:
    return Path.cwd() / Path(path).expanduser()
