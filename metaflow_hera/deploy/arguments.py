"""A flow's parameters as arguments of a workflow, and back: what a deployment knows of them without its source."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from metaflow_hera.deploy.projects import project_facts
from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.errors import ParameterError
from metaflow_hera.flow.current import provided
from metaflow_hera.flow.parameter_values import parameter_values, resolve_defaults
from metaflow_hera.flow.parameters import NONE, JSONType, Parameter
from metaflow_hera.labels import Annotations
from metaflow_hera.plan import records as plan_records
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings, from_environment
from metaflow_hera.store import Store

if TYPE_CHECKING:
    from metaflow_hera.deploy.files import LocalFile

_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "json": JSONType}
_FILE = "file"
_ANY = "0"
"""A text that every parameter takes: stands for one with a problem, so that it is told once."""

_TYPE_NAMES = {type_: name for name, type_ in _TYPES.items()}


class Arguments(NamedTuple):
    """Texts by name of parameter, and the files that have to be in the datastore before a task reads those."""

    texts: Mapping[str, str]
    files: tuple[LocalFile, ...] = ()

    def upload(self, store: Store) -> None:
        """Put the files there, unless they are."""
        for file in self.files:
            file.upload(store)


def run_arguments(flow: CheckedFlow, given: Mapping[str, str], settings: Settings) -> Arguments:
    """All arguments of a run: what is given, else what the environment says, else defaults.

    `ParameterError` with everything that is wrong with what is given. Then deploy-time functions are called, once.
    """
    environment, problems = environment_texts(flow.parameters)
    told, files = described(flow.parameters, {**environment, **given}, problems)
    spared = {
        each.name: NONE for each in flow.parameters if each.is_deploy_time or (each.is_file and not each.required)
    }
    try:
        parameter_values(flow.flow_class, {**spared, **told})
    except ParameterError as error:
        problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(problems))
    defaults = default_arguments(flow, settings, besides=told)
    return Arguments({**defaults.texts, **told}, (*files, *defaults.files))


def default_arguments(flow: CheckedFlow, settings: Settings, besides: Iterable[str] = ()) -> Arguments:
    """The default of each parameter that has one; of files only those that are not given *besides*."""
    texts = default_texts(flow, settings)
    problems: list[str] = []
    arguments = described([each for each in flow.parameters if each.name not in besides], texts, problems)
    if problems:
        raise ParameterError("\n".join(problems))
    return arguments


def described(parameters: Iterable[Parameter], texts: Mapping[str, str], problems: list[str]) -> Arguments:
    """*texts* with descriptions of files in place of paths; what is wrong with a file is added to *problems*."""
    if not any(parameter.is_file for parameter in parameters):
        return Arguments(texts)
    from metaflow_hera.deploy.files import with_files  # few flows include files

    told, files, wrong = with_files(parameters, texts)
    problems += wrong
    return Arguments(told, files)


def environment_texts(parameters: Iterable[Parameter]) -> tuple[dict[str, str], list[str]]:
    """What ``MFHERA_RUN_<NAME>`` and the peer's ``METAFLOW_RUN_<NAME>`` say, and what is wrong with that."""
    texts: dict[str, str] = {}
    problems: list[str] = []
    for parameter in parameters:
        variable, text = from_environment(f"RUN_{parameter.name.upper().replace('-', '_')}") or ("", None)
        if text is None:
            continue
        try:
            texts[parameter.name] = text
            if not parameter.is_file:
                parameter.from_text(text)
        except ParameterError as error:
            problems.append(f"{variable}: {error}")
            texts[parameter.name] = _ANY
    return texts, problems


def plan_parameters(flow: CheckedFlow, defaults: Mapping[str, str]) -> tuple[plan_records.Parameter, ...]:
    """The parameters as arguments of the workflow."""
    return tuple(
        plan_records.Parameter(name=parameter.name, value=defaults.get(parameter.name), description=parameter.help)
        for parameter in flow.parameters
    )


def default_texts(flow: CheckedFlow, settings: Settings) -> dict[str, str]:
    """The default of each parameter that has one, as a person would type it; deploy-time functions are called here."""
    kind = "s3" if settings.datastore.startswith("s3://") else "local"
    with provided(project_facts(flow.graph, settings.user)):
        values = resolve_defaults(flow.flow_class, settings.user, kind)
    by_name = {parameter.name: parameter for parameter in flow.parameters}
    return {name: by_name[name].to_text(value) for name, value in values.items()}


def describe_parameters(parameters: tuple[Parameter, ...]) -> str:
    """What `parameters_of_plan` needs beside the Plan's own parameters, as JSON."""
    kinds = {parameter.name: _kind(parameter) for parameter in parameters}
    return json.dumps(kinds, ensure_ascii=False, separators=(",", ":"))


def _kind(parameter: Parameter) -> dict[str, str]:
    if parameter.is_file:
        file: Any = parameter
        return {"type": _FILE, "encoding": file.encoding if file.is_text else ""}
    separator = {"separator": parameter.separator} if parameter.separator else {}
    return {"type": _TYPE_NAMES[parameter.type], **separator}


def parameters_of_plan(plan: Plan) -> tuple[Parameter, ...]:
    """The parameters of a deployment as its flow declared them, with the defaults that hold there."""
    kinds = json.loads(plan.annotations.get(Annotations.PARAMETERS, "{}"))
    return tuple(_declared(parameter, kinds.get(parameter.name, {})) for parameter in plan.parameters)


def _declared(parameter: plan_records.Parameter, kind: Mapping[str, str]) -> Parameter:
    if kind.get("type") == _FILE:
        return _declared_file(parameter, kind["encoding"])
    return Parameter(
        parameter.name,
        default=None if parameter.value == NONE else parameter.value,
        type=_TYPES.get(kind.get("type", "str"), str),
        help=parameter.description,
        required=parameter.value is None,
        separator=kind.get("separator"),
    )


def _declared_file(parameter: plan_records.Parameter, encoding: str) -> Parameter:
    from metaflow_hera.flow.include_file import IncludeFile  # few flows include files

    return IncludeFile(
        parameter.name,
        default=None if parameter.value == NONE else parameter.value,
        required=parameter.value is None,
        is_text=bool(encoding),
        encoding=encoding or None,
        help=parameter.description,
    )


def to_texts(parameters: tuple[Parameter, ...], values: Mapping[str, object]) -> dict[str, str]:
    """Python values, by name with ``_`` for ``-``, as the texts that a person would type; unknown names stay."""
    by_name = {parameter.name.replace("-", "_"): parameter for parameter in parameters}
    return dict(_named_text(by_name.get(name.replace("-", "_")), name, value) for name, value in values.items())


def _named_text(parameter: Parameter | None, name: str, value: object) -> tuple[str, str]:
    if parameter is None:
        return name, str(value)
    return parameter.name, parameter.to_text(parameter.value_of(value))
