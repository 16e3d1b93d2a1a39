"""A Plan for one run of its own, made of that of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from metaflow_hera.command import ExitCommand, TaskCommand
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.options import RUN_OF_WORKFLOW
from metaflow_hera.plan.records import Container, Plan, Template
from metaflow_hera.plan.text import parse, render, text


def one_off(plan: Plan, **told: str | tuple[str, ...]) -> Plan:
    """*plan* without what starts it by itself; its tasks are told *told*, which are fields of their `TaskCommand`."""
    templates = tuple(_told(each, told) if _is_step(each) else each for each in plan.templates)
    return replace(plan, templates=templates, schedule=None, triggers=None)


def command_of(plan: Plan) -> TaskCommand:
    """What a task of the plan is told: the flow, the store and the code are the same for all of them."""
    return next(_command(template) for template in plan.templates if _is_step(template))


def events_of(plan: Plan) -> tuple[str, ...]:
    """What its start step is told of the events that a run waits for, as a `TaskCommand` has them."""
    commands = (_command(template) for template in plan.templates if _is_step(template))
    return next((command.events for command in commands if command.events), ())


def exit_commands_of(plan: Plan) -> list[ExitCommand]:
    """What is done at the ends of its runs."""
    words = [_words(template) for template in plan.templates if isinstance(template, Container)]
    return [ExitCommand.parse(each) for each in words if each[:1] == [ExitCommand.verb]]


def with_workers(plan: Plan, workers: int) -> Plan:
    """The same with another limit for each foreach that has one."""
    templates = tuple(
        each if isinstance(each, Container) or each.parallelism is None else replace(each, parallelism=workers)
        for each in plan.templates
    )
    return replace(plan, templates=templates)


def _is_step(template: Template) -> TypeGuard[Container]:
    return isinstance(template, Container) and Annotations.STEP in template.annotations


def _command(container: Container) -> TaskCommand:
    return TaskCommand.parse(_words(container))


def _words(container: Container) -> list[str]:
    return [render(word) for word in container.args]


def _told(container: Container, told: Mapping[str, str | tuple[str, ...]]) -> Container:
    given: dict[str, Any] = {"run": render(RUN_OF_WORKFLOW)}
    for name, value in told.items():
        given[name] = _literal(value) if isinstance(value, str) else tuple(map(_literal, value))
    command = replace(_command(container), **given)
    return replace(container, args=tuple(map(parse, command.argv())))


def _literal(value: str) -> str:
    return render(text(value))
