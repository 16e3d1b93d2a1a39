"""Commands with a flow's parameters as options: which those are is known when the flow is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import click

from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.flow.parameters import JSONType, Parameter

PARAMETERS = "parameters"
"""The argument of a command's function that gets what was given, by parameter name, as text."""

HELP_OPTIONS = ("-h", "--help")

_METAVARS = {str: "TEXT", int: "INTEGER", float: "FLOAT", bool: "BOOLEAN", JSONType: "JSON"}


@dataclass(frozen=True, kw_only=True)
class Words:
    """What can be told of a command line before the flow's own options are known."""

    target: str | None
    """The first word that is neither an option nor the value of one."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The last value of each known option, by the name of the function's argument."""


def scan(arguments: Sequence[str], known: Sequence[click.Parameter]) -> Words:
    """Find the target among options of which only some are known: every parameter of a flow takes a value."""
    options = {word: option for option in known if isinstance(option, click.Option) for word in option.opts}
    target: str | None = None
    values: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        name, has_value, value = word.partition("=")
        option = options.get(name)
        if not word.startswith("-") or word == "-":
            target = target or word
        elif name not in HELP_OPTIONS and (option is None or not option.is_flag):
            given = value if has_value else next(words, "")
            values |= {option.name: given} if option is not None and option.name else {}
    return Words(target=target, values=values)


class FlowCommand(click.Command):
    """A command that finds its flow's parameters first, by *find*, and then reads its line.

    Where a parameter has the name of an option of ours, the parameter gets it.
    """

    def __init__(self, *, find: Callable[[Words], Sequence[Parameter]], **settings: Any) -> None:
        super().__init__(**settings)
        self._find = find

    def parameters(self) -> Sequence[Parameter]:
        """The flow's parameters, where the current context knows the flow."""
        return self._find(Words(target=None))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        found = self._parameters(args)
        ctx.meta[PARAMETERS] = {
            parameter_option(parameter, f"parameter_{number}"): parameter.name for number, parameter in enumerate(found)
        }
        try:
            return super().parse_args(ctx, [*args])
        except click.UsageError as error:
            flags = {f"--{each.name}" for each in found if each.type is bool}
            if (flag := _without_value(args, flags)) is None:
                raise
            raise click.UsageError(f"{flag} takes a value: {flag} true or {flag} false", ctx) from error

    def _parameters(self, args: list[str]) -> Sequence[Parameter]:
        """The flow's parameters; those of our options that they take do not help to find the flow."""
        words = scan(args, self.params)
        if not words.values:
            return self._find(words)
        try:
            found = self._find(Words(target=words.target))
        except MetaflowHeraError:
            return self._find(words)
        taken = {f"--{parameter.name}" for parameter in found}
        return self._find(scan(args, [param for param in self.params if not taken & {*param.opts}]))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = ctx.meta.get(PARAMETERS, {})
        taken = {word for option in own for word in option.opts}
        return [*own, *(param for param in super().get_params(ctx) if not taken & {*param.opts})]

    def invoke(self, ctx: click.Context) -> Any:
        given: dict[str, str] = {}
        for option, name in ctx.meta[PARAMETERS].items():
            text = ctx.params.pop(option.name)
            if text is not None:
                given[name] = text
        taken = [param for param in self.params if param.name not in ctx.params]
        defaults = click.Command(None, params=taken, add_help_option=False).make_context(None, []).params
        ctx.params |= {PARAMETERS: given, **defaults}
        return super().invoke(ctx)


def _without_value(arguments: Sequence[str], flags: Collection[str]) -> str | None:
    """The first of the flags with nothing, or another option, behind it."""
    pairs = pairwise([*arguments, "-"])
    return next((word for word, following in pairs if word in flags and following.startswith("-")), None)


def parameter_option(parameter: Parameter, name: str) -> click.Option:
    """The option of a parameter; its text is read by the parameter itself, so that all problems are told at once."""
    metavar = metavar_of(parameter)
    return click.Option([f"--{parameter.name}", name], metavar=metavar, help=help_of(parameter), default=None)


def required_words(parameters: Sequence[Parameter]) -> str:
    """What has to stand on a command line, with room for the values.

    >>> required_words([Parameter("csv", required=True), Parameter("alpha", default=0.1)])
    ' --csv TEXT'
    """
    return "".join(f" --{each.name} {metavar_of(each)}" for each in parameters if each.required)


def metavar_of(parameter: Parameter) -> str:
    return _METAVARS.get(parameter.type, "TEXT")


def help_of(parameter: Parameter) -> str:
    if parameter.required:
        shown = "required"
    elif parameter.is_deploy_time:
        shown = f"default: computed once by {getattr(parameter.default, '__name__', 'a function')}()"
    elif parameter.default is None or not parameter.show_default:
        shown = ""
    else:
        shown = f"default: {parameter.to_text(parameter.value_of(parameter.default))}"
    return "  ".join(filter(None, (parameter.help, f"[{shown}]" if shown else "")))
