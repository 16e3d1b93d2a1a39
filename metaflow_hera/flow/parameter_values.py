"""The values of a flow's parameters: from what was given as text, and from defaults, which may be functions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from metaflow_hera.errors import DefaultFailedError, DefaultTypeError, FlowError, ParameterError
from metaflow_hera.flow.parameters import Parameter, config_attributes, parameters_of


class ParameterContext(NamedTuple):
    """What a deploy-time function is told."""

    flow_name: str
    user_name: str
    parameter_name: str
    logger: Callable[[str], None]
    ds_type: str = "local"
    configs: Mapping[str, object] = MappingProxyType({})


def log_to_stderr(line: str) -> None:
    """Where deploy-time functions log to, unless told otherwise."""
    print(line, file=sys.stderr)  # noqa: T201


def resolve_defaults(
    flow_class: type, user_name: str, ds_type: str = "local", logger: Callable[[str], None] = log_to_stderr
) -> dict[str, object]:
    """The default values by parameter name, of all that need not be given; each deploy-time function is called once."""
    values: dict[str, object] = {}
    errors: list[FlowError] = []
    configs = _configs(flow_class)
    for parameter in parameters_of(flow_class).values():
        if parameter.required:
            continue
        context = ParameterContext(
            flow_name=flow_class.__name__,
            user_name=user_name,
            parameter_name=parameter.name,
            logger=logger,
            ds_type=ds_type,
            configs=configs,
        )
        try:
            values[parameter.name] = _default(parameter, context)
        except FlowError as error:
            errors.append(error)
    if errors:
        raise type(errors[0])([problem for error in errors for problem in error.problems])
    return values


def _configs(flow_class: type) -> Mapping[str, object]:
    """The values of configs by name, as steps see them."""
    if not config_attributes(flow_class):
        return MappingProxyType({})
    from metaflow_hera.flow.config_value import ConfigValue  # few flows have configs
    from metaflow_hera.flow.configs import configs_of  # the same

    return ConfigValue({spec.name: spec.value for spec in configs_of(flow_class).values()})


def _default(parameter: Parameter, context: ParameterContext) -> object:
    if not parameter.is_deploy_time:
        return parameter.value_of(parameter.default)
    try:
        computed = parameter.default(context)
    except Exception as error:  # the user's function may raise anything
        raise DefaultFailedError(
            f"the function for the default of parameter {parameter.name!r} raised {type(error).__name__}: {error}"
        ) from error
    try:
        return parameter.value_of(computed)
    except ParameterError as error:
        raise DefaultTypeError(f"the function for the default of {error}") from error


def parameter_values(flow_class: type, texts: Mapping[str, str]) -> dict[str, object]:
    """The values by attribute, from texts by parameter name; `ParameterError` with everything that is wrong."""
    parameters = parameters_of(flow_class)
    names = [parameter.name for parameter in parameters.values()]
    problems = [
        f"{flow_class.__name__} has no parameter {name!r}; it has {', '.join(names) or 'none'}"
        for name in texts
        if name not in names
    ]
    values: dict[str, object] = {}
    for attribute, parameter in parameters.items():
        try:
            values[attribute] = _value(parameter, texts)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    return values


def _value(parameter: Parameter, texts: Mapping[str, str]) -> object:
    if parameter.name in texts:
        value = parameter.from_text(texts[parameter.name])
        if value is None and parameter.required:
            raise _missing(parameter)
        return value
    if parameter.required or parameter.is_deploy_time:
        raise _missing(parameter)
    return parameter.value_of(parameter.default)


def _missing(parameter: Parameter) -> ParameterError:
    return ParameterError(f"parameter {parameter.name!r} must be given (--{parameter.name}): {parameter.expected}")
