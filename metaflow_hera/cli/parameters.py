"""Commands with a flow's parameters as options: which those are is known when the flow is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import click

from metaflow_hera.cli.flow_help import describe_configs, help_of, metavar_of
from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.deploy.source import FlowLike, launched_class
from metaflow_hera.errors import MetaflowHeraError
from metaflow_hera.flow.load import load_flow
from metaflow_hera.flow.parameters import Parameter, parameters_of

PARAMETERS = "parameters"
"""The argument of a command's function that gets what was given, by parameter name, as text."""

FLOW = "metaflow_hera.flow"
"""The entry of a context's `meta` with the class of the flow whose parameters are options of the command."""

_LAUNCHED = "metaflow_hera.launched"
"""The entry with the class and the options that it was made of."""

HELP_OPTIONS = ("-h", "--help")

_OF_LAUNCH = ("branch", "production")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What can be told of a command line before the flow's own options are known."""

    target: str | None
    """The first word that is neither an option nor the value of one."""
    values: Mapping[str, str] = field(default_factory=dict)
    """The last value of each known option, by the name of the function's argument."""
    pairs: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """All values of the known options that take two words."""
    wants_help: bool = False

    def without(self, names: Collection[str]) -> Words:
        """The same if options of these names were the flow's own."""
        values = {name: value for name, value in self.values.items() if name not in names}
        return replace(self, values=values, pairs={name: two for name, two in self.pairs.items() if name not in names})

    @property
    def launch(self) -> LaunchOptions:
        """What the flow is to be launched with."""
        return LaunchOptions(
            config=self.pairs.get("config", ()),
            config_value=self.pairs.get("config_value", ()),
            branch=self.values.get("branch"),
            production="production" in self.values,
        )


def scan(arguments: Sequence[str], known: Sequence[click.Parameter]) -> Words:
    """Find the target among options of which only some are known: every parameter of a flow takes a value."""
    options = {word: option for option in known if isinstance(option, click.Option) for word in option.opts}
    target: str | None = None
    values: dict[str, str] = {}
    pairs: dict[str, tuple[tuple[str, str], ...]] = {}
    words = iter(arguments)
    for word in words:
        name, has_value, value = word.partition("=")
        option = options.get(name)
        if not word.startswith("-") or word == "-":
            target = target or word
        elif option is not None and option.is_flag:
            values |= {option.name: "true"} if option.name else {}
        elif name not in HELP_OPTIONS:
            given = value if has_value else next(words, "")
            if option is None or not option.name:
                continue
            if option.nargs == 2:
                pairs[option.name] = (*pairs.get(option.name, ()), (given, next(words, "")))
            else:
                values[option.name] = given
    wants_help = any(word in HELP_OPTIONS for word in arguments)
    return Words(target=target, values=values, pairs=pairs, wants_help=wants_help)


def launched_parameters(flow: str, words: Words, launch: LaunchOptions | None = None) -> Sequence[Parameter]:
    """The parameters of a flow as it is launched; by *launch*, if that was said before the command.

    Whoever asks for help sees the parameters also where a config is missing or wrong.
    """
    flow_class = load_flow(flow, words.values.get("flow_name"))
    own = {each.name.replace("-", "_") for each in parameters_of(flow_class).values()}
    meta, key = click.get_current_context().meta, (flow_class, launch or words.without(own).launch)
    if FLOW not in meta or meta[_LAUNCHED] != key:
        try:
            meta[FLOW], _ = launched_class(key[0], options=key[1])
        except MetaflowHeraError:
            if not words.wants_help:
                raise
            meta[FLOW] = flow_class
        meta[_LAUNCHED] = key
    return tuple(parameters_of(meta[FLOW]).values())


def found_flow(flow: FlowLike) -> FlowLike:
    """The class that this command line was read with, so that nothing of its launch is done twice; else *flow*."""
    found: FlowLike = click.get_current_context().meta.get(FLOW, flow)
    return found


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
            kept = {name: text for name, text in words.values.items() if name in _OF_LAUNCH}
            found = self._find(replace(words, values=kept))
        except MetaflowHeraError:
            return self._find(words)
        taken = {f"--{parameter.name}" for parameter in found}
        return self._find(scan(args, [param for param in self.params if not taken & {*param.opts}]))

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = ctx.meta.get(PARAMETERS, {})
        taken = {word for option in own for word in option.opts}
        return [*own, *(param for param in super().get_params(ctx) if not taken & {*param.opts})]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        if FLOW in ctx.meta:
            describe_configs(ctx.meta[FLOW], formatter)

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
