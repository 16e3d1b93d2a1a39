"""Expressions of configs that are written while a class is defined, and evaluated when its flow is launched."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, FrameType
from typing import Any, NamedTuple, NoReturn

from metaflow_hera.errors import ConfigError, FlowError, Problem
from metaflow_hera.flow.config_value import plain
from metaflow_hera.flow.launch import Open, holds_open

Names = Mapping[str, object]
"""The values of the flow's configs, by attribute and by name."""

_REFUSED = (
    *("__bool__", "__iter__", "__len__", "__contains__", "__str__", "__format__", "__int__", "__float__", "__index__"),
    *("__add__", "__radd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__", "__rtruediv__"),
    *("__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__pow__", "__rpow__", "__neg__", "__or__", "__ror__"),
    *("__lt__", "__le__", "__gt__", "__ge__"),
)


class Written(NamedTuple):
    """How an expression was written: its text and where it stands."""

    text: str
    file: str | None = None
    line: int | None = None

    def with_suffix(self, suffix: str, frame: FrameType) -> Written:
        return Written(self.text + suffix, frame.f_code.co_filename, frame.f_lineno)


class Delayed(Open):
    """An expression of configs; its attributes, items and calls are expressions again."""

    __slots__ = ("_mfhera_value", "_mfhera_written")

    def __init__(self, written: Written, value: Callable[[Names], object]) -> None:
        self._mfhera_written = written
        self._mfhera_value = value

    def __getattr__(self, name: str) -> Delayed:
        if name.startswith("_mfhera") or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        written = self._mfhera_written.with_suffix(f".{name}", sys._getframe(1))
        return Delayed(written, lambda names: getattr(self._mfhera_value(names), name))

    def __getitem__(self, key: Any) -> Delayed:
        frame = sys._getframe(1)
        if key == (unpacking := _unpacking(self._mfhera_written.text)):
            return Unpacked(Written(unpacking, frame.f_code.co_filename, frame.f_lineno), self._mfhera_value)
        written = self._mfhera_written.with_suffix(f"[{key!r}]", frame)
        return Delayed(written, lambda names: self._mfhera_value(names)[resolved(key, names)])  # type: ignore[index]

    def __call__(self, *arguments: object, **named: object) -> Delayed:
        def value(names: Names) -> object:
            function: Any = self._mfhera_value(names)
            return function(*resolved(arguments, names), **resolved(named, names))

        return Delayed(self._mfhera_written.with_suffix("(…)", sys._getframe(1)), value)

    def keys(self) -> tuple[str]:
        """Lets ``**config.x`` be written: it becomes one attribute, which is unpacked at the launch."""
        return (_unpacking(self._mfhera_written.text),)

    def __repr__(self) -> str:
        return self._mfhera_written.text


class Unpacked(Delayed):
    """What stands behind ``**``."""

    __slots__ = ()


def _refuse(delayed: Delayed, *_: object) -> NoReturn:
    raise TypeError(
        f"{delayed!r} has no value yet while the class is defined; write the whole of what is computed from it as "
        "config_expr('…')"
    )


for _name in _REFUSED:
    setattr(Delayed, _name, _refuse)


def config_expr(expression: str) -> Any:
    """What *expression* gives when the flow is launched, with the globals of where it is written and all configs."""
    frame = sys._getframe(1)
    code = _compiled(expression)
    scope = frame.f_globals
    written = Written(
        expression if expression.isidentifier() else f"config_expr({expression!r})",
        frame.f_code.co_filename,
        frame.f_lineno,
    )
    return Delayed(written, lambda names: eval(code, {**scope, **names}))  # noqa: S307  (the user's own expression)


def _compiled(expression: str) -> CodeType:
    try:
        return compile(expression, "<config_expr>", "eval", dont_inherit=True)
    except (SyntaxError, ValueError, TypeError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ConfigError(f"config_expr({expression!r}) is no Python expression: {reason}") from error


def evaluated(delayed: Delayed, names: Names) -> object:
    """The value of an expression; `FlowError` with where it was written if it has none."""
    written = delayed._mfhera_written
    try:
        return plain(delayed._mfhera_value(names))
    except FlowError:
        raise
    except Exception as error:  # the user's expression may raise anything
        told = f"{written.text} cannot be evaluated: {type(error).__name__}: {error}"
        raise FlowError([Problem(told, written.file, written.line)]) from error


def resolved(value: Any, names: Names) -> Any:
    """*value* with what its expressions give, also those in its dictionaries, lists and tuples."""
    if not holds_open(value):
        return value
    if isinstance(value, Delayed):
        return evaluated(value, names)
    if isinstance(value, Mapping):
        return _resolved_entries(value, names)
    items = [resolved(item, names) for item in value]
    return tuple(items) if isinstance(value, tuple) else items


def _resolved_entries(entries: Mapping[Any, Any], names: Names) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, item in entries.items():
        value = resolved(item, names)
        if not isinstance(item, Unpacked):
            found[key] = value
        elif isinstance(value, dict):
            found.update(value)
        else:
            written = item._mfhera_written
            told = f"{key} unpacks a dictionary, and that is {value!r}"
            raise FlowError([Problem(told, written.file, written.line)])
    return found


def _unpacking(text: str) -> str:
    return f"**{text}"
