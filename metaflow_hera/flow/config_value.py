"""The values of configs in a step: dictionaries and lists that nothing changes, with their keys as attributes, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, Self

from metaflow_hera.errors import ConfigError

_DICT_CHANGES = ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update")
_LIST_CHANGES = (
    *("__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "clear", "extend", "insert", "pop", "remove"),
    *("reverse", "sort"),
)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            f"a config is the same in all steps and cannot be changed, as {name} would; change a copy of it: "
            f"{'config.to_dict()' if isinstance(self, dict) else 'list(…)'}"
        )

    return refuse


class ConfigKeyError(KeyError):
    """A `KeyError` with a sentence."""

    __str__ = Exception.__str__  # a KeyError would show it quoted


class ConfigValue(dict[str, Any]):
    """A dictionary of a config: ``config.model.layers`` and ``config["model"]["layers"]`` are the same.

    A key with the name of a method, such as ``keys``, is reached by ``[]``.
    """

    __slots__ = ()

    def __init__(self, values: Mapping[str, Any] = {}) -> None:
        super().__init__({name: wrapped(value) for name, value in values.items()})

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(name if name.startswith("__") else self._told(name))

    def __missing__(self, name: object) -> NoReturn:
        raise ConfigKeyError(self._told(name))

    def _told(self, name: object) -> str:
        from difflib import get_close_matches  # for this mistake only

        close = get_close_matches(str(name), map(str, self), n=1)
        known = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(self) or 'none'}"
        return f"the config has no key {name!r} here: {known}"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        _refusing(f"setting .{name}")(self)
        raise AssertionError

    def __delattr__(self, name: str) -> NoReturn:
        _refusing(f"deleting .{name}")(self)
        raise AssertionError

    def __dir__(self) -> Iterator[str]:
        yield from {*super().__dir__(), *self}

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)

    def to_dict(self) -> dict[str, Any]:
        """A copy of plain dictionaries and lists, to be changed at will."""
        return {name: plain(value) for name, value in self.items()}


class _ConfigList(list[Any]):
    """A list of a config; as an artifact it is a list like any other."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[list[Any]], tuple[tuple[Any, ...]]]:
        return list, (tuple(self),)


for _kind, _names in ((ConfigValue, _DICT_CHANGES), (_ConfigList, _LIST_CHANGES)):
    for _name in _names:
        setattr(_kind, _name, _refusing(f"{_name}()"))


def wrapped(value: Any) -> Any:
    """A value of a config as a step sees it."""
    if isinstance(value, Mapping):
        return value if isinstance(value, ConfigValue) else ConfigValue(value)
    if isinstance(value, list | tuple):
        return value if isinstance(value, _ConfigList) else _ConfigList(map(wrapped, value))
    return value


def plain(value: Any) -> Any:
    """*value* without any of a config's own dictionaries and lists, at whatever depth."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    return value


def frozen(value: object, path: str) -> Any:
    """A copy of *value* as JSON holds it; `ConfigError` names the part, below *path*, that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {_key(key, path): frozen(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [frozen(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if value is None or type(value) in (bool, int, float, str):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    raise ConfigError(
        f"{path} is of type {type(value).__name__}, and a config holds what JSON can hold: write it as a text"
    )


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int | float) and not isinstance(key, bool):
        return str(key)
    raise ConfigError(f"{path} has the key {key!r}, and the keys of a config are texts: write it in quotes")
