"""The production namespace in a Plan that is compiled already: what containers are told, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metaflow_hera.command import ExitCommand, TaskCommand
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.records import Container, Plan, Template
from metaflow_hera.plan.text import text

_OPTION = text("--production")
_VERBS = {(text(verb),) for verb in (TaskCommand.verb, ExitCommand.verb)}


def in_namespace(plan: Plan, namespace: str, annotations: Mapping[str, str]) -> Plan:
    """*plan* for runs in this production namespace, with these annotations instead of its own of their names."""
    kept = {name: value for name, value in plan.annotations.items() if name != Annotations.PRODUCTION}
    own = {Annotations.PRODUCTION: namespace} if namespace else {}
    if plan.annotations.get(Annotations.PRODUCTION, "") == namespace:
        return replace(plan, annotations={**kept, **own, **annotations})
    templates = tuple(_moved(template, namespace) for template in plan.templates)
    return replace(plan, templates=templates, annotations={**kept, **own, **annotations})


def _moved(template: Template, namespace: str) -> Template:
    if not isinstance(template, Container) or template.args[:1] not in _VERBS:
        return template
    words = [*template.args[:1]]
    for option, value in zip(template.args[1::2], template.args[2::2], strict=True):
        if option != _OPTION:
            words += (option, value)
    if namespace:
        words += (_OPTION, text(namespace))
    return replace(template, args=tuple(words))
