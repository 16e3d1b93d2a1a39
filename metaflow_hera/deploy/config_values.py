"""The values of a flow's configs: each from an option, else from the environment, else from its default."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from metaflow_hera.deploy.launching import LaunchOptions
from metaflow_hera.errors import ConfigError, FlowError, UsageError
from metaflow_hera.flow.config_value import ConfigValue
from metaflow_hera.flow.configs import ConfigSpec, configs_of
from metaflow_hera.flow.delayed import resolved
from metaflow_hera.flow.parameter_values import ParameterContext, log_to_stderr
from metaflow_hera.settings import Settings, from_environment

FILES_VARIABLE = "FLOW_CONFIG"
VALUES_VARIABLE = "FLOW_CONFIG_VALUE"
"""Each a JSON object by name of config, behind ``MFHERA_`` or ``METAFLOW_``."""


class _Given(NamedTuple):
    """Values of configs from one place."""

    files: Mapping[str, str | Path]
    values: Mapping[str, object]
    file_origin: str
    """With ``{}`` for the name of the config."""
    value_origin: str


def config_values(flow_class: type, options: LaunchOptions) -> dict[str, Any]:
    """The value of every config by name; `ConfigError` with everything that is wrong with any of them."""
    configs = list(configs_of(flow_class).values())
    if configs and all(spec.is_settled for spec in configs):
        return {spec.name: spec.value for spec in configs}
    problems: list[str] = [problem for spec in configs for problem in spec.problems()]
    given = (_of_options(options), _of_environment(problems))
    problems += _problems_of_names(flow_class.__name__, configs, given)
    values: dict[str, Any] = {}
    context = _context(flow_class, values)
    for spec in () if problems else configs:
        try:
            values[spec.name] = _value(spec, options.origin, given, context, values)
        except UsageError as error:
            problems.append(str(error))
        except FlowError as error:
            problems += [f"{spec}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError("\n".join(problems))
    return values


def _value(
    spec: ConfigSpec,
    origin: Mapping[str, object],
    given: Sequence[_Given],
    context: Callable[[str], ParameterContext],
    before: Mapping[str, Any],
) -> Any:
    if spec.name in origin:
        return spec.checked(origin[spec.name])
    for place in given:
        if spec.name in place.files:
            return spec.read_file(place.files[spec.name], place.file_origin.format(spec.name))
        if spec.name in place.values:
            value = place.values[spec.name]
            told = place.value_origin.format(spec.name)
            return spec.read(value, told) if isinstance(value, str) else spec.checked(value)
    return ConfigSpec(*resolved(tuple(spec), ConfigValue(before))).default_for(context(spec.name))


def _context(flow_class: type, values: Mapping[str, Any]) -> Callable[[str], ParameterContext]:
    """What a function for a default is told, by the name of its config; *values* are those of configs before it."""

    def context(name: str) -> ParameterContext:
        settings = Settings.load()
        return ParameterContext(
            flow_name=flow_class.__name__,
            user_name=settings.user,
            parameter_name=name,
            logger=log_to_stderr,
            ds_type="s3" if settings.datastore.startswith("s3://") else "local",
            configs=ConfigValue(values),
        )

    return context


def _of_options(options: LaunchOptions) -> _Given:
    return _Given(dict(options.config), dict(options.config_value), "the file of --config {}", "--config-value {}")


def _of_environment(problems: list[str]) -> _Given:
    """What the environment says; what is wrong with that is added to *problems*."""
    found: list[tuple[dict[str, Any], str]] = []
    for name in (FILES_VARIABLE, VALUES_VARIABLE):
        variable, text = from_environment(name) or (name, "{}")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            content = error
        if not isinstance(content, dict):
            told = f" ({content})" if isinstance(content, Exception) else ""
            problems.append(f"{variable} must be a JSON object by names of configs, not {text[:60]!r}{told}")
            content = {}
        found.append((content, f"{variable}, {{}}"))
    (files, file_origin), (values, value_origin) = found
    for name in [name for name, path in files.items() if not isinstance(path, str)]:
        problems.append(f"{file_origin.format(name)}: a path in quotes is wanted, not {files.pop(name)!r}")
    return _Given(files, values, file_origin, value_origin)


def _problems_of_names(flow: str, configs: Sequence[ConfigSpec], given: Sequence[_Given]) -> Iterator[str]:
    names = [spec.name for spec in configs]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield f"{names.count(name)} configs have the name {name!r}; rename all but one"
    for place in given:
        for name in place.files.keys() & place.values.keys():
            told = f"{place.file_origin.format(name)} and {place.value_origin.format(name)}"
            yield f"config {name!r} is given twice, by {told}; keep the file or the value"
        for name in (*place.files, *place.values):
            if name not in names:
                close = get_close_matches(name, names, n=1)
                known = f"did you mean {close[0]!r}?" if close else f"its configs are {', '.join(names)}"
                yield f"{flow} has no config {name!r}: {known}"
