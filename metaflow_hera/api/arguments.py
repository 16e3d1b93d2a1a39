"""Arguments of a call from Python as words of the command line that does the same.

The names are those of the options, ``-`` as ``_``, and the peer's where those differ.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import click

from metaflow_hera.errors import ArgumentError, ArgumentTypeError, ParameterError
from metaflow_hera.flow.parameters import Parameter

PEER_NAMES: Mapping[str, str] = {
    "decospecs": "with",
    "tags": "tag",
    "user_namespace": "namespace",
    "step_to_rerun": "step",
    "given_token": "new_token",
}
"""What the peer calls an argument whose option has another name."""

_IN_JSON = frozenset({"config_value"})
"""Options whose values Python may give as they are meant."""

# The run's id is told by a file of ours; help is for people.
_NOT_FOR_PYTHON = frozenset({"help", "run_id_file"})


@dataclass(slots=True)
class Words:
    """A command line as it grows, and what is wrong with what it is made of."""

    options: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    wrong_types: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        """The words; `ArgumentError` with everything that is wrong."""
        if self.unknown:
            raise ArgumentError("\n".join((*self.unknown, *self.wrong_types)))
        if self.wrong_types:
            raise ArgumentTypeError("\n".join(self.wrong_types))
        return [*self.options, *(("--", *self.arguments) if self.arguments else ())]


def to_words(
    call: str, given: Mapping[str, object], params: Sequence[click.Parameter], parameters: Sequence[Parameter] = ()
) -> list[str]:
    """The words for *given*: options and arguments of a command, and *parameters* of a flow; None is not given."""
    words = Words()
    by_name = {parameter.name.replace("-", "_"): parameter for parameter in parameters}
    known = {name: param for param in params for name in _names(param) if name not in by_name}
    for written, value in given.items():
        name = written.replace("-", "_")
        if value is None:
            continue
        if name in by_name:
            _add_parameter(words, call, by_name[name], value)
        elif name in known:
            _add_option(words, f"{call}: {name!r}", known[name], value)
        else:
            words.unknown.append(_unknown(call, name, by_name, known))
    return words.all()


def _names(param: click.Parameter) -> Iterator[str]:
    """What Python may call an option or an argument."""
    longest = (word.lstrip("-").replace("-", "_") for word in param.opts)
    names = {(param.name or "").rstrip("_"), *longest}
    for name in sorted(names - _NOT_FOR_PYTHON):
        yield name
        yield from (peer for peer, ours in PEER_NAMES.items() if ours == name)


def _unknown(call: str, name: str, by_name: Mapping[str, object], known: Mapping[str, object]) -> str:
    near = get_close_matches(name, [*by_name, *known], n=1, cutoff=0.7)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    options = sorted(known.keys() - set(PEER_NAMES.values()))
    there = [f"parameters of the flow are {', '.join(sorted(by_name))}"] if by_name else []
    there += [f"options are {', '.join(options)}"] if options else []
    return f"{call}: {name!r} is no argument{meant}; {'; '.join(there) or 'it takes none'}"


def _add_parameter(words: Words, call: str, parameter: Parameter, value: object) -> None:
    try:
        words.options.append(f"--{parameter.name}={parameter.to_text(parameter.value_of(value))}")
    except ParameterError as error:
        words.wrong_types.append(f"{call}: {error}")


def _add_option(words: Words, where: str, param: click.Parameter, value: object) -> None:
    try:
        if isinstance(param, click.Option) and param.is_flag:
            words.options += _flag(param, value)
            return
        for text in _texts(param, value):
            if isinstance(param, click.Option):
                words.options += [max(param.opts, key=len), *text]
            else:
                words.arguments += text
    except TypeError as error:
        words.wrong_types.append(f"{where} {error}")


def _flag(param: click.Option, value: object) -> Iterator[str]:
    if not isinstance(value, bool):
        raise TypeError(f"takes True or False, not {_short(value)}")
    if value:
        yield param.opts[0]
    elif param.secondary_opts:
        yield param.secondary_opts[0]


def _texts(param: click.Parameter, value: object) -> Iterator[list[str]]:
    """The words of each time that the option is given."""
    if not param.multiple:
        yield _group(param, value)
        return
    if not isinstance(value, list | tuple | set | frozenset):
        raise TypeError(f"takes a list, not {_short(value)}")
    yield from (_group(param, item) for item in value)


def _group(param: click.Parameter, value: object) -> list[str]:
    if param.nargs == 1:
        return [_text(param.type, value)]
    if not (isinstance(value, list | tuple) and len(value) == param.nargs):
        raise TypeError(f"takes {param.nargs} values together, not {_short(value)}")
    return [_text(param.type, _as_json(item) if param.name in _IN_JSON else item) for item in value]


def _as_json(value: object) -> object:
    """A text as it is, anything else as JSON says it, if that can."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"takes what JSON can say, not {_short(value)}: {error}") from error


def _text(kind: click.ParamType[object], value: object) -> str:
    expected, is_right = next((rule for name, rule in _RULES.items() if kind.name.startswith(name)), _TEXT)
    if not is_right(value):
        raise TypeError(f"takes {expected}, not {_short(value)}")
    return str(os.fspath(value)) if isinstance(value, os.PathLike) else str(value)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_Rule = tuple[str, Callable[[object], bool]]
_TEXT: _Rule = ("a text", lambda value: isinstance(value, str | os.PathLike))
_RULES: Mapping[str, _Rule] = {
    "integer": ("a whole number", _is_int),
    "float": ("a number", _is_number),
    "boolean": ("True or False", lambda value: isinstance(value, bool)),
}
"""By what click calls the types of options."""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
