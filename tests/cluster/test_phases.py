"""The engine's scheduler beside Argo's controller: every node of a Plan ends in the same phase, whatever fails."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera.argo.manifest import manifests
from metaflow_hera.command import TaskCommand
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import PodOutcome
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.graph.check import problems
from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Split, Step, Switch, Transition
from metaflow_hera.labels import Annotations
from metaflow_hera.naming import POD_DIR
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Plan

pytestmark = pytest.mark.timeout(1200)

Run = tuple[str, str]


@dataclass(frozen=True)
class Case:
    """A graph, what its switches choose, and which of its tasks fail; every foreach has two items."""

    transitions: Mapping[str, Transition]
    chosen: Mapping[Run, str]
    failing: frozenset[Run] = frozenset()
    joins: str = ""

    @property
    def plan(self) -> Plan:
        steps = {
            name: Step(name=name, transition=transition, is_join=name in self.joins.split())
            for name, transition in self.transitions.items()
        }
        graph = Graph(flow="Phases", steps=steps)
        assert problems(graph) == ()
        options = CompileOptions(name="phases", file="f.py", store="/nowhere", image="x", command=("x",))
        return compile_plan(graph, options)

    def outcome(self, run: Run) -> PodOutcome:
        if run in self.failing:
            return PodOutcome(phase=Phase.FAILED)
        outputs = {"splits": "2", "next": self.chosen.get(run, "")}
        return PodOutcome(phase=Phase.SUCCEEDED, outputs=outputs)


def switch(*targets: str) -> Switch:
    return Switch(tuple((str(number), target) for number, target in enumerate(targets)), "kind")


LADDER: Mapping[str, Transition] = {
    "start": switch("one", "two", "three", "end"),
    "one": Linear("two"),
    "two": Linear("three"),
    "three": Linear("end"),
    "end": End(),
}
NESTED: Mapping[str, Transition] = {
    "start": switch("inner", "other"),
    "inner": switch("deep", "deeper", "meet"),
    "deep": Linear("after"),
    "deeper": Linear("still_deeper"),
    "still_deeper": Linear("after"),
    "after": Linear("meet"),
    "other": Linear("meet"),
    "meet": Linear("end"),
    "end": End(),
}
FORKED: Mapping[str, Transition] = {
    "start": Split(("choose", "side")),
    "choose": switch("spread", "join", "plain"),
    "spread": Foreach("part", "xs"),
    "part": Linear("gather"),
    "gather": Linear("join"),
    "plain": Linear("join"),
    "side": Linear("join"),
    "join": Linear("end"),
    "end": End(),
}
ITEMS: Mapping[str, Transition] = {
    "start": Foreach("look", "xs"),
    "look": switch("work", "join", "rest"),
    "work": Linear("join"),
    "rest": Linear("more"),
    "more": Linear("join"),
    "join": Linear("end"),
    "end": End(),
}

CASES = {
    "the first rung": Case(LADDER, {("start", "0"): "one"}),
    "the third rung": Case(LADDER, {("start", "0"): "three"}),
    "no rung": Case(LADDER, {("start", "0"): "end"}),
    "a rung that fails": Case(LADDER, {("start", "0"): "two"}, frozenset({("three", "0")})),
    "the switch fails": Case(NESTED, {}, frozenset({("start", "0")})),
    "the inner switch left out": Case(NESTED, {("start", "0"): "other"}),
    "the inner switch and a shortcut": Case(NESTED, {("start", "0"): "inner", ("inner", "0"): "meet"}),
    "a branch of the inner switch": Case(NESTED, {("start", "0"): "inner", ("inner", "0"): "deeper"}),
    "a branch of the inner switch fails": Case(
        NESTED, {("start", "0"): "inner", ("inner", "0"): "deeper"}, frozenset({("still_deeper", "0")})
    ),
    "a foreach left out": Case(FORKED, {("choose", "0"): "join"}, joins="join gather"),
    "a foreach taken": Case(FORKED, {("choose", "0"): "spread"}, joins="join gather"),
    "an item fails": Case(FORKED, {("choose", "0"): "spread"}, frozenset({("part", "1")}), joins="join gather"),
    "the other branch fails": Case(FORKED, {("choose", "0"): "plain"}, frozenset({("side", "0")}), joins="join gather"),
    "items go different ways": Case(ITEMS, {("look", "0"): "join", ("look", "1"): "rest"}, joins="join"),
    "one way of an item fails": Case(
        ITEMS, {("look", "0"): "work", ("look", "1"): "rest"}, frozenset({("rest", "1")}), joins="join"
    ),
}


def here(case: Case, workflow: str) -> dict[str, str]:
    """The phase of each node by the scheduler, and of the workflow under its own name."""
    phases: dict[str, str] = {}
    scheduler = Scheduler(case.plan, workflow, started=0.0, observe=lambda node, phase: phases.update({node: phase}))
    pods = scheduler.begin()
    while pods:
        pod = pods.pop(0)
        run = TaskCommand.parse(pod.args) if ".onExit" not in pod.node else None
        outcome = case.outcome((run.step, run.path)) if run else PodOutcome(phase=Phase.SUCCEEDED)
        pods += scheduler.ended(pod.name, outcome, 0.0)
    return {node: str(phase) for node, phase in phases.items()} | {workflow: str(scheduler.phase)}


def workflow(case: Case, suffix: str) -> dict[str, Any]:
    """The Plan as a Workflow whose containers do nothing but what the case says."""
    (template,) = manifests(case.plan)
    for each in template["spec"]["templates"]:
        if "container" in each:
            step = each.get("metadata", {}).get("annotations", {}).get(Annotations.STEP, "")
            path = "{{inputs.parameters.path}}" if "inputs" in each and "parameters" in each["inputs"] else "0"
            each["container"] |= {"image": "python:3.11-bare", "command": ["sh", "-c", script(case, step), path]}
            each["container"].pop("args", None)
    template["spec"].pop("workflowMetadata", None)
    metadata = {"generateName": f"phases-{suffix}-"}
    return {"apiVersion": template["apiVersion"], "kind": "Workflow", "metadata": metadata, "spec": template["spec"]}


def script(case: Case, step: str) -> str:
    """What the tasks of a step do; their path is ``$0``."""
    lines = [f"mkdir -p {POD_DIR}/out", f"printf 2 > {POD_DIR}/out/splits"]
    chosen = {path: target for (name, path), target in case.chosen.items() if name == step}
    lines += [f'test "$0" != {path} || printf {target} > {POD_DIR}/out/next' for path, target in chosen.items()]
    lines += [f'test "$0" != {path} || exit 1' for name, path in case.failing if name == step]
    return "; ".join(lines)


@pytest.fixture(scope="module")
def submitted(module_cluster: Any, request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The workflow of each case under test, all submitted at once."""
    wanted = [item.callspec.params["name"] for item in request.session.items if item.path == Path(__file__)]
    return {name: create(workflow(CASES[name], module_cluster.suffix)) for name in dict.fromkeys(wanted)}


def create(manifest: dict[str, Any]) -> str:
    words = ["kubectl", "create", "-f", "-", "-o", "jsonpath={.metadata.name}"]
    done = subprocess.run(words, input=json.dumps(manifest), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", CASES)
def test_a_node_ends_on_argo_as_it_ends_here(name: str, submitted: Mapping[str, str], module_cluster: Any) -> None:
    case, workflow = CASES[name], submitted[name]
    module_cluster.wait(workflow, seconds=900)

    status = module_cluster.workflow(workflow)["status"]
    there = {node["name"]: node["phase"] for node in status["nodes"].values()}
    ours = here(case, workflow)
    assert {node: there.get(node) for node in ours} == ours
    kinds = {node["name"]: node["type"] for node in status["nodes"].values()}
    assert {kinds[node] for node in there.keys() - ours.keys()} <= {"Steps", "StepGroup"}
    assert status["phase"] == ours[workflow] == ("Failed" if case.failing else "Succeeded")
