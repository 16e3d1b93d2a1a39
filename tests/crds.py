"""Whether Kubernetes would take a manifest: the schemas of Argo's resources, read as strictly as the server does."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "shared" / "cluster" / "crds"
PLURALS = {
    "WorkflowTemplate": "workflowtemplates",
    "CronWorkflow": "cronworkflows",
    "Sensor": "sensors",
    "Workflow": "workflows",
}

required = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the schemas of Argo's resources are not at {FOLDER}")
"""For tests that need the schemas, which are no part of this repository."""


def problems(manifest: Mapping[str, Any]) -> list[str]:
    """What the API server would refuse, each with its place; nothing if it would take the manifest."""
    return [f"{error.json_path}: {error.message}" for error in _validator(manifest["kind"]).iter_errors(manifest)]


@functools.cache
def _validator(kind: str) -> Any:
    definition = yaml.load((FOLDER / f"argoproj.io_{PLURALS[kind]}.yaml").read_text(), Loader=yaml.CSafeLoader)
    (version,) = definition["spec"]["versions"]
    schema = _strict(version["schema"]["openAPIV3Schema"])
    # An API server knows metadata by itself.
    schema["properties"]["metadata"] = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 63}}}
    rules = {"x-kubernetes-validations": _apply_rules}
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, rules)(schema)


def _strict(schema: Any) -> Any:
    """Kubernetes' own words in those of JSON Schema: no unknown fields, numbers where texts may stand."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(part) for name, part in schema.items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        strict.pop("anyOf", None)
        strict["type"] = ["integer", "string"]
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        strict.setdefault("additionalProperties", schema.get("x-kubernetes-preserve-unknown-fields") is True)
    return strict


def _apply_rules(_: Any, rules: list[dict[str, str]], value: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    for rule in rules:
        if not RULES[rule["message"]](value):
            yield jsonschema.ValidationError(rule["message"])


def _count(value: Mapping[str, Any], *names: str) -> int:
    return sum(name in value for name in names)


LOCATIONS = ["s3", "git", "http", "artifactory", "hdfs", "raw", "oss", "gcs", "azure", "plugin"]
KINDS = ["container", "script", "dag", "steps", "resource", "suspend", "containerSet", "data", "http", "plugin"]

RULES: Mapping[str, Callable[[Any], bool]] = {
    "at most one artifact location can be specified": lambda artifact: _count(artifact, *LOCATIONS) <= 1,
    "only one of count or end can be defined": lambda sequence: _count(sequence, "count", "end") < 2,
    "only one of manifest or manifestFrom can be specified": lambda res: _count(res, "manifest", "manifestFrom") < 2,
    "'resourcesDuration.*' metrics cannot be used in real-time gauges": lambda gauge: (
        not gauge.get("realtime") or "resourcesDuration." not in gauge["value"]
    ),
    "cannot use both 'depends' and 'dependencies'": lambda task: _count(task, "depends", "dependencies") < 2,
    "cannot use 'continueOn' when using 'depends'": lambda task: _count(task, "depends", "continueOn") < 2,
    "task name cannot begin with a digit when using 'depends' or 'dependencies'": lambda task: (
        _count(task, "depends", "dependencies") == 0 or not re.match("[0-9]", task["name"])
    ),
    "template must have at most one template type": lambda templates: all(_count(t, *KINDS) <= 1 for t in templates),
    "timeout cannot be applied to steps or dag templates": lambda templates: (
        not any(t.get("timeout") and _count(t, "steps", "dag") for t in templates)
    ),
    "activeDeadlineSeconds is only valid for leaf templates": lambda templates: (
        not any("activeDeadlineSeconds" in t and _count(t, "steps", "dag") for t in templates)
    ),
}
"""The rules that the resources state in CEL, by their messages."""
