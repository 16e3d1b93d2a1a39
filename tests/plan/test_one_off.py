"""Plans of runs of their own, made of those of deployments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from metaflow_hera.command import TaskCommand
from metaflow_hera.errors import NamingError
from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Step, Transition
from metaflow_hera.labels import Annotations
from metaflow_hera.plan.compile import TEMPLATE_LIMIT, CompileOptions, compile_plan
from metaflow_hera.plan.one_off import command_of, one_off, with_workers
from metaflow_hera.plan.pruning import whole, without_done
from metaflow_hera.plan.records import Container, Dag, Plan, Schedule
from metaflow_hera.plan.text import render

OPTIONS = CompileOptions(
    name="wide",
    file="f.py",
    store="s3://bucket/x",
    image="x",
    command=("x",),
    code="data/aa/aa",
    user="deployer",
    tags=("deployed",),
    schedule=Schedule(cron="0 1 * * *"),
)


def plan(between: int = 0) -> Plan:
    """A foreach of one step, and steps one after the other behind it."""
    names = [f"s{number}" for number in range(between)]
    transitions: dict[str, Transition] = {"start": Foreach("work", "items"), "work": Linear("join")}
    following = [*names, "end"]
    transitions |= {name: Linear(after) for name, after in zip(["join", *names], following, strict=True)}
    transitions["end"] = End()
    steps = {
        name: Step(name=name, transition=transition, is_join=name == "join") for name, transition in transitions.items()
    }
    return compile_plan(Graph(flow="Wide", steps=steps), OPTIONS)


def commands(of: Plan) -> list[TaskCommand]:
    return [
        TaskCommand.parse([render(word) for word in each.args])
        for each in of.templates
        if isinstance(each, Container) and Annotations.STEP in each.annotations
    ]


def test_every_task_is_told_and_nothing_else_changes() -> None:
    changed = one_off(plan(), deployment="", origin="argo-wide-x1", tags=("new", "ü"), user="ann")
    assert changed.schedule is None
    before, after = commands(plan()), commands(changed)
    told = {"deployment": "", "origin": "argo-wide-x1", "tags": ("new", "ü"), "user": "ann"}
    assert after == [replace(command, **told) for command in before]  # type: ignore[arg-type]
    assert {command.run for command in after} == {"argo-{{workflow.name}}"}
    assert one_off(changed, **told) == changed  # type: ignore[arg-type]
    [exit_before], [exit_after] = ([each for each in of.templates if each.name == "exit"] for of in (plan(), changed))
    assert exit_before == exit_after


def test_what_argo_would_evaluate_is_not_told() -> None:
    with pytest.raises(NamingError, match=r"\{\{workflow.name\}\}"):
        one_off(plan(), tags=("{{workflow.name}}",))


def test_the_code_and_the_store_are_those_of_any_task() -> None:
    command = command_of(plan())
    assert (command.flow, command.code, command.store) == ("Wide", "data/aa/aa", "s3://bucket/x")


def test_another_limit_holds_for_every_foreach_that_has_one() -> None:
    limits = [each.parallelism for each in with_workers(plan(), 7).templates if isinstance(each, Dag)]
    assert limits == [None, 7]


def test_a_plan_that_can_hold_no_more_templates_is_left_with_those_that_it_needs() -> None:
    fits = plan(TEMPLATE_LIMIT - len(plan().templates))
    assert len(fits.templates) == TEMPLATE_LIMIT
    done = {("start", "0"): {"splits": "3", "next": "work"}, ("work", "1"): {"splits": "", "next": "join"}}
    left = without_done(fits, done)
    assert left is not None
    assert len(left.templates) <= TEMPLATE_LIMIT
    assert whole(left) == left, "what was there is not all there any more"
    assert left.entrypoint == left.templates[0].name == "rest-of-flow"
    assert left.on_exit in left.by_name
