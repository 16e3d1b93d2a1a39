"""Files that a flow takes in when a run starts: their content is the value of a parameter.

The content lies in the datastore, named by itself; what travels as the parameter's text is a short description of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from metaflow_hera.errors import StepError
from metaflow_hera.flow.located import located
from metaflow_hera.flow.parameters import NONE, Parameter
from metaflow_hera.naming import data_key

_KIND = "mfhera-file"
_KEY = re.compile(r"data/[0-9a-f]{2}/([0-9a-f]{64})\Z")
_ENCODING = "utf-8"


class FilePath:
    """The type of a parameter that is given as the path of a file."""


class IncludedFile(NamedTuple):
    """The content of a file in the datastore.

    >>> file = IncludedFile(digest="0" * 64, size=3)
    >>> IncludedFile.from_text(file.to_text()) == file
    True
    """

    digest: str
    size: int
    """Bytes."""
    is_text: bool = True
    encoding: str = _ENCODING
    """Of a text."""

    @property
    def descriptor(self) -> dict[str, object]:
        """What JSON holds of it."""
        return {
            "type": _KIND,
            "key": data_key(self.digest),
            "size": self.size,
            "is_text": self.is_text,
            "encoding": self.encoding if self.is_text else None,
        }

    def to_text(self) -> str:
        """The text that stands for it in the parameters of a workflow."""
        return json.dumps(self.descriptor)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The file behind such a text; `ValueError` for any other."""
        content = json.loads(text)
        if not isinstance(content, dict) or content.get("type") != _KIND:
            raise ValueError(f'it has no "type": "{_KIND}"')
        match = _KEY.match(str(content.get("key")))
        size, is_text, encoding = content.get("size"), content.get("is_text"), content.get("encoding")
        if match is None or data_key(match[1]) != match[0]:
            raise ValueError('its "key" is not that of a content, data/…/…')
        if type(size) is not int or size < 0 or type(is_text) is not bool:
            raise ValueError('its "size" or its "is_text" cannot be')
        if is_text and (not isinstance(encoding, str) or not is_encoding(encoding)):
            raise ValueError(f'its "encoding", {encoding!r}, is none that Python knows')
        return cls(match[1], size, is_text, str(encoding) if is_text else _ENCODING)


def is_encoding(name: str) -> bool:
    """Whether Python knows a text encoding of that name."""
    try:
        "a".encode(name)
    except (LookupError, ValueError, TypeError):
        return False
    return True


def is_description(text: str) -> bool:
    """Whether a text is meant to describe a file in the datastore, and not to be a path."""
    return text.lstrip().startswith("{")


class IncludeFile(Parameter):
    """A parameter that is given as the path of a file, and in the steps is its content: a text, or bytes.

    *default* is a path or a function of a `ParameterContext` that gives one, relative to the working directory;
    *parser*, a function or ``"module.function"``, makes of the content what the steps get.
    """

    is_file: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        required: bool | None = None,
        is_text: bool | None = None,
        encoding: str | None = None,
        help: str | None = None,
        parser: Callable[[Any], Any] | str | None = None,
        *,
        default: Any = None,
        show_default: bool | None = None,
        **unknown: object,
    ) -> None:
        super().__init__(name, default, FilePath, help, required, show_default, **unknown)  # type: ignore[arg-type]
        own = {"is_text": is_text, "encoding": encoding, "parser": parser}
        inherited = {name: value for name, value in self.written.items() if name not in ("type", "separator")}
        self.written: Mapping[str, object] = {**inherited, **own}
        self.is_text = is_text is not False
        self.encoding = _ENCODING if encoding is None else encoding
        self.parser = parser

    def __get__(self, flow: Any, owner: type | None = None) -> Any:
        if flow is None:
            return self
        kept, state = vars(flow), flow._mfhera_task
        if state is None or self.attribute not in state.scope.fixed:
            return self.outside()
        if self.attribute not in kept:
            kept[self.attribute] = self._parsed(state.scope.fixed[self.attribute])
        return kept[self.attribute]

    def outside(self) -> Any:
        return self._parsed(self._content_outside())

    def _content_outside(self) -> str | bytes | None:
        if self.is_deploy_time:
            raise AttributeError(f"file {self.name!r} has a content when a run has started, not before")
        try:
            content = None if self.default is None else Path(self.default).expanduser().read_bytes()
            return content.decode(self.encoding) if content is not None and self.is_text else content
        except (OSError, ValueError, LookupError) as error:
            raise AttributeError(f"file {self.name!r} has no content outside of a run: {error}") from error

    def _parsed(self, content: str | bytes | None) -> Any:
        parse = self.find_parser()
        if content is None or parse is None:
            return content
        try:
            return parse(content)
        except AttributeError as error:  # which would be taken for an attribute that the flow has not got
            raise StepError(f"the parser of file {self.name!r} raised AttributeError: {error}") from error

    def find_parser(self) -> Callable[[Any], Any] | None:
        """The function that reads the content; `UsageError` if it is named and cannot be found."""
        return located(self.parser, f"file {self.name!r}") if isinstance(self.parser, str) else self.parser

    @property
    def expected(self) -> str:
        return "the path of a file"

    def value_of(self, default: object) -> str | None:
        """A path as text; a description of a file stays what it is."""
        if default is None or default == NONE:
            return None
        if isinstance(default, IncludedFile):
            return default.to_text()
        if isinstance(default, str | os.PathLike) and isinstance(path := os.fspath(default), str) and path:
            return path
        raise self._error(default, "")

    def to_text(self, value: object) -> str:
        return NONE if value is None else str(value)

    def from_text(self, text: str) -> IncludedFile | None:
        """The file in the datastore that a text describes; `ParameterError` for anything else, also for a path."""
        if text == NONE:
            return None
        if not is_description(text):
            raise self._error(
                text,
                f"what starts a run from elsewhere cannot send a file along: start it by mfhera trigger --{self.name} "
                "PATH, or give the JSON that describes a file in the datastore, as the default does",
            )
        try:
            return IncludedFile.from_text(text)
        except (ValueError, RecursionError) as error:
            raise self._error(text, f"JSON here describes a file in the datastore, but {error}") from error

    def problems(self) -> Iterator[str]:
        """What is wrong with how it was written, by what stands in the source alone."""
        for option, value in (("is_text", self.written["is_text"]), ("show_default", self.written["show_default"])):
            if value not in (None, True, False):
                yield f"{option} must be True or False, not {value!r}"
        if self.is_text and not is_encoding(self.encoding):
            yield f"the encoding {self.encoding!r} is none that Python knows; for bytes write is_text=False"
        parser: Any = self.parser
        if not (parser is None or callable(parser) or isinstance(parser, str)):
            yield f"the parser is a function, or 'module.function', not {parser!r}"
