"""A flow's parameters and configs as a person reads about them, and as a program does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from metaflow_hera.errors import ParameterError
from metaflow_hera.flow.include_file import IncludedFile
from metaflow_hera.flow.launch import Open
from metaflow_hera.flow.parameters import JSONType, Parameter, config_attributes, parameters_of

if TYPE_CHECKING:
    from metaflow_hera.flow.configs import ConfigSpec

_SHOWN = 60
"""Characters of a config's default."""

_METAVARS = {str: "TEXT", int: "INTEGER", float: "FLOAT", bool: "BOOLEAN", JSONType: "JSON"}


def described_options(flow_class: type) -> str:
    """The parameters and configs of a flow with what they are by default, as text; empty if it has none."""
    formatter = click.HelpFormatter(max_width=110)
    describe_parameters(flow_class, formatter)
    describe_configs(flow_class, formatter)
    return formatter.getvalue().lstrip("\n")


def options_as_json(flow_class: type) -> dict[str, object]:
    """The same for a program: configs with the values that they have in this launch."""
    parameters = {
        each.name: {
            "type": metavar_of(each),
            "help": each.help,
            "required": each.required,
            "default": _plain_default(each),
        }
        for each in parameters_of(flow_class).values()
    }
    if not config_attributes(flow_class):
        return {"parameters": parameters, "configs": {}}
    from metaflow_hera.flow.configs import configs_of  # few flows have configs

    configs = {spec.name: {"help": spec.help or "", "value": spec.value} for spec in configs_of(flow_class).values()}
    return {"parameters": parameters, "configs": configs}


def _plain_default(parameter: Parameter) -> object:
    """The default as a person would type it; None for one that is computed, or for none."""
    if parameter.default is None or parameter.is_deploy_time:
        return None
    return parameter.to_text(parameter.value_of(parameter.default))


def describe_parameters(flow_class: type, formatter: click.HelpFormatter) -> None:
    """A section of a help about the parameters of a flow, if it has any."""
    rows = [(f"--{each.name} {metavar_of(each)}", help_of(each)) for each in parameters_of(flow_class).values()]
    if rows:
        with formatter.section("Parameters"):
            formatter.write_dl(rows)


def describe_configs(flow_class: type, formatter: click.HelpFormatter) -> None:
    """A section of a help about the configs of a flow, if it has any."""
    if not config_attributes(flow_class):
        return
    from metaflow_hera.flow.configs import configs_of  # few flows have configs

    with formatter.section("Configs (--config NAME FILE, --config-value NAME JSON)"):
        formatter.write_dl([(spec.name, help_of_config(spec)) for spec in configs_of(flow_class).values()])


def help_of_config(spec: ConfigSpec) -> str:
    if spec.default is None and spec.default_value is None:
        shown = "required" if spec.required else ""
    elif spec.show_default is False:
        shown = ""
    else:
        shown = f"default: {_default_of_config(spec)}"
    return "  ".join(filter(None, (spec.help, f"[{shown}]" if shown else "")))


def _default_of_config(spec: ConfigSpec) -> str:
    for default in (spec.default, spec.default_value):
        if isinstance(default, Open):
            return repr(default)
        if callable(default):
            return f"computed once by {getattr(default, '__name__', 'a function')}()"
    if spec.default is not None:
        return f"the file {spec.default}"
    value = spec.default_value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def required_words(parameters: Sequence[Parameter]) -> str:
    """What has to stand on a command line, with room for the values.

    >>> required_words([Parameter("csv", required=True), Parameter("alpha", default=0.1)])
    ' --csv TEXT'
    """
    return "".join(f" --{each.name} {metavar_of(each)}" for each in parameters if each.required)


def _shown_default(parameter: Parameter) -> str:
    try:
        text = parameter.to_text(parameter.value_of(parameter.default))
    except ParameterError:  # the check of the flow tells, with all else
        return repr(parameter.default)
    return shown_text(text) if parameter.is_file else text


def shown_text(text: str) -> str:
    """The text of a parameter; of a file in the datastore, what tells more to a person than its description."""
    try:
        return f"a file of {IncludedFile.from_text(text).size:,} bytes, in the datastore"
    except (ValueError, RecursionError):  # any other text, also one of JSON that is too deep
        return text


def metavar_of(parameter: Parameter) -> str:
    return "FILE" if parameter.is_file else _METAVARS.get(parameter.type, "TEXT")


def help_of(parameter: Parameter) -> str:
    if parameter.required:
        shown = "required"
    elif isinstance(parameter.default, Open):
        shown = f"default: {parameter.default!r}"
    elif parameter.is_deploy_time:
        shown = f"default: computed once by {getattr(parameter.default, '__name__', 'a function')}()"
    elif parameter.default is None or not parameter.show_default:
        shown = ""
    else:
        shown = f"default: {_shown_default(parameter)}"
    return "  ".join(filter(None, (parameter.help, f"[{shown}]" if shown else "")))
