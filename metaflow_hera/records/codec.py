"""Records as compact JSON: fields at their default are left out, and a version says who can read it.

A field that is added later has a default, so it needs no new version: who does not know it, skips it. A new version is
for records that an older reader would misunderstand.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from metaflow_hera.errors import StoreError
from metaflow_hera.store import Data

VERSION = 1
_VERSION_FIELD = "v"

R = TypeVar("R")
_Reader = Callable[[Any], Any]


class UnreadableRecordError(StoreError):
    """Bytes that are no record: what a machine that lost power may have left of one."""


def encode(record: object) -> bytes:
    """*record*, a dataclass, as JSON."""
    return json.dumps({_VERSION_FIELD: VERSION, **_to_json(record)}, separators=(",", ":")).encode("ascii")


def decode(type: type[R], data: Data) -> R:
    """The record in *data*; `UnreadableRecordError` if there is none, `StoreError` if it is of a newer version."""
    try:
        content = json.loads(bytes(data))
        version = content.pop(_VERSION_FIELD)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UnreadableRecordError(f"{len(data)} bytes that should hold a {type.__name__} cannot be read") from error
    if version != VERSION:
        raise StoreError(
            f"a {type.__name__} was written in version {version!r} by a newer metaflow_hera; this one reads version "
            f"{VERSION}: upgrade it with `pip install --upgrade metaflow-hera`"
        )
    try:
        record: R = _reader(cast(Any, type))(content)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UnreadableRecordError(f"a {type.__name__} with fields that cannot be: {error}") from error
    return record


def _to_json(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode("ascii")
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if is_dataclass(value):
        items = ((field, getattr(value, field.name)) for field in fields(value))
        return {field.name: _to_json(item) for field, item in items if item != _default(field)}
    return [_to_json(item) for item in value]


def _default(field: Field[Any]) -> object:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@cache
def _reader(type: Any) -> _Reader:
    """What makes a value of *type* from its JSON."""
    if is_dataclass(type):
        return _record_reader(type)
    origin, arguments = get_origin(type), get_args(type)
    if origin is UnionType:
        (inner,) = (_reader(argument) for argument in arguments if argument is not NoneType)
        return lambda content: None if content is None else inner(content)
    if origin is tuple:
        item = _reader(arguments[0])
        return lambda content: tuple(map(item, content))
    if origin is Mapping:
        item = _reader(arguments[1])
        return lambda content: {key: item(value) for key, value in content.items()}
    if type is bytes:
        return binascii.a2b_base64
    return type if isinstance(type, Callable) and issubclass(type, Enum) else _as_it_is  # type: ignore[arg-type]


def _as_it_is(content: Any) -> Any:
    return content


def _record_reader(type: Any) -> _Reader:
    hints = get_type_hints(type)
    readers = {field.name: _reader(hints[field.name]) for field in fields(type)}

    def read(content: Mapping[str, Any]) -> Any:
        return type(**{name: readers[name](value) for name, value in content.items() if name in readers})

    return read
