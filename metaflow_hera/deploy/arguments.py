"""A flow's parameters as arguments of a workflow, and back: what a deployment knows of them without its source."""

from __future__ import annotations

import json
from collections.abc import Mapping

from metaflow_hera.deploy.source import CheckedFlow
from metaflow_hera.flow.parameter_values import resolve_defaults
from metaflow_hera.flow.parameters import NONE, JSONType, Parameter
from metaflow_hera.naming import Annotations
from metaflow_hera.plan import records as plan_records
from metaflow_hera.plan.records import Plan
from metaflow_hera.settings import Settings

_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "json": JSONType}
_TYPE_NAMES = {type_: name for name, type_ in _TYPES.items()}


def plan_parameters(flow: CheckedFlow, settings: Settings) -> tuple[plan_records.Parameter, ...]:
    """The parameters as arguments of the workflow; deploy-time functions are called here, once."""
    defaults = default_texts(flow, settings)
    return tuple(
        plan_records.Parameter(name=parameter.name, value=defaults.get(parameter.name), description=parameter.help)
        for parameter in flow.parameters
    )


def default_texts(flow: CheckedFlow, settings: Settings) -> dict[str, str]:
    """The default of each parameter that has one, as a person would type it."""
    kind = "s3" if settings.datastore.startswith("s3://") else "local"
    values = resolve_defaults(flow.flow_class, settings.user, kind)
    by_name = {parameter.name: parameter for parameter in flow.parameters}
    return {name: by_name[name].to_text(value) for name, value in values.items()}


def describe_parameters(parameters: tuple[Parameter, ...]) -> str:
    """What `parameters_of_plan` needs beside the Plan's own parameters, as JSON."""
    kinds = {}
    for parameter in parameters:
        kinds[parameter.name] = {"type": _TYPE_NAMES[parameter.type]}
        if parameter.separator:
            kinds[parameter.name]["separator"] = parameter.separator
    return json.dumps(kinds, ensure_ascii=False, separators=(",", ":"))


def parameters_of_plan(plan: Plan) -> tuple[Parameter, ...]:
    """The parameters of a deployment as its flow declared them, with the defaults that hold there."""
    kinds = json.loads(plan.annotations.get(Annotations.PARAMETERS, "{}"))
    return tuple(_declared(parameter, kinds.get(parameter.name, {})) for parameter in plan.parameters)


def _declared(parameter: plan_records.Parameter, kind: Mapping[str, str]) -> Parameter:
    return Parameter(
        parameter.name,
        default=None if parameter.value == NONE else parameter.value,
        type=_TYPES.get(kind.get("type", "str"), str),
        help=parameter.description,
        required=parameter.value is None,
        separator=kind.get("separator"),
    )


def to_texts(parameters: tuple[Parameter, ...], values: Mapping[str, object]) -> dict[str, str]:
    """Python values, by name with ``_`` for ``-``, as the texts that a person would type; unknown names stay."""
    by_name = {parameter.name.replace("-", "_"): parameter for parameter in parameters}
    return dict(_named_text(by_name.get(name.replace("-", "_")), name, value) for name, value in values.items())


def _named_text(parameter: Parameter | None, name: str, value: object) -> tuple[str, str]:
    if parameter is None:
        return name, str(value)
    return parameter.name, parameter.to_text(parameter.value_of(value))
