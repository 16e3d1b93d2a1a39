"""What is left of a plan when some of its tasks are done: exactly what is missing runs, and nothing is lost."""

from __future__ import annotations

import random

from engine_plans import Drive
from flow_meaning import Decisions, Run, meaning
from graph_strategies import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaflow_hera.argo.manifest import from_manifests, manifests
from metaflow_hera.command import TaskCommand
from metaflow_hera.engine.phases import Phase
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.graph.model import End, Foreach, Graph, Linear, Step, Switch
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.pruning import whole, without_done
from metaflow_hera.plan.records import Plan, Steps

OPTIONS = CompileOptions(name="f", file="f.py", store="/nowhere", image="x", command=("x",), max_workers=2)

Outputs = dict[Run, dict[str, str]]


def decisions_of(graph: Graph, seed: int) -> Decisions:
    def chance(run: Run) -> random.Random:
        return random.Random(f"{seed} {run}")

    return Decisions(
        width=lambda run: chance(run).randint(1, 4),
        choice=lambda run: chance(run).choice([target for target in graph[run[0]].targets if target != run[0]]),
    )


def outputs_of(graph: Graph, decisions: Decisions, run: Run) -> dict[str, str]:
    following = decisions.choice(run) if isinstance(graph[run[0]].transition, Switch) else ""
    return {"splits": str(decisions.width(run)), "next": following}


def drive(
    plan: Plan, graph: Graph, decisions: Decisions, fails: set[Run], seed: int
) -> tuple[list[Run], Outputs, Phase]:
    """Which tasks started, what those left that succeeded, and how the run ended."""
    started: list[Run] = []
    left: Outputs = {}

    def outcome(pod: Pod) -> PodOutcome:
        command = TaskCommand.parse(pod.args) if ".onExit" not in pod.node else None
        if command is None:
            return PodOutcome(phase=Phase.SUCCEEDED)
        run = (command.step, command.path)
        started.append(run)
        if run in fails:
            return PodOutcome(phase=Phase.FAILED)
        left[run] = outputs_of(graph, decisions, run)
        return PodOutcome(phase=Phase.SUCCEEDED, outputs=left[run])

    ended = Drive(plan, outcome, random.Random(seed).choice).run()
    return started, left, ended.scheduler.phase


def items_that_are_done(graph: Graph, meant: set[Run], done: set[Run]) -> set[Run]:
    """The tasks of outermost items of which all tasks are done."""
    outermost: dict[tuple[str, str], set[Run]] = {}
    for step, path in meant:
        if foreaches := graph.foreaches(step):
            outermost.setdefault((foreaches[0], path.partition(".")[0]), set()).add((step, path))
    return {run for item in outermost.values() if item <= done for run in item}


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(max_leaves=6, decorated=False), st.integers(0, 2**32), st.integers(0, 3))
def test_a_resumed_plan_runs_what_is_missing_and_no_task_whose_pod_is_known_to_be_needless(
    graph: Graph, seed: int, failures: int
) -> None:
    decisions = decisions_of(graph, seed)
    plan = compile_plan(graph, OPTIONS)
    meant = meaning(graph, decisions)
    gangs = {
        name for name in graph.steps if isinstance(graph[name].transition, Foreach) and graph[name].transition.gang
    }
    of_gangs = {run for run in meant if gangs & {*graph.foreaches(run[0])}}
    fails = set(
        random.Random(seed).sample(sorted(meant.keys() - of_gangs), min(failures, len(meant.keys() - of_gangs)))
    )

    _, done, phase = drive(plan, graph, decisions, fails, seed)
    left = without_done(plan, done)

    assert (left is None) == (phase is Phase.SUCCEEDED)
    if left is None:
        assert done.keys() == meant.keys()
        return
    assert whole(left) == plan
    assert from_manifests(manifests(left)) == left
    started, after, phase = drive(left, graph, decisions, set(), seed)
    assert phase is Phase.SUCCEEDED
    assert len(started) == len({*started})
    assert {*started} | done.keys() == meant.keys()
    assert after.keys() | done.keys() == meant.keys()
    place = {run: number for number, run in enumerate(started)}
    parents = [(parent, run) for run in started for parent in meant[run] if parent in place]
    assert all(place[parent] < place[run] for parent, run in parents)
    again = {*started} & done.keys()
    assert all(graph.foreaches(step) for step, _ in again), "no step of the top that is done"
    assert not again & items_that_are_done(graph, {*meant}, {*done})


def wide(count: int, done: set[int]) -> Plan:
    """What is left of a foreach of so many items."""
    steps = {
        "start": Step(name="start", transition=Foreach("work", "items")),
        "work": Step(name="work", transition=Linear("join")),
        "join": Step(name="join", transition=Linear("end"), is_join=True),
        "end": Step(name="end", transition=End()),
    }
    of_items = {("work", str(item)): {"splits": "", "next": "join"} for item in done}
    left = without_done(
        compile_plan(Graph(flow="Wide", steps=steps), OPTIONS),
        {("start", "0"): {"splits": str(count), "next": "work"}, **of_items},
    )
    assert left is not None
    return left


def test_only_the_missing_items_of_a_foreach_are_in_the_manifest_and_its_limit_stays() -> None:
    left = wide(10, done={0, 1, 2, 3, 5, 8, 9})
    [template] = [each for each in manifests(left)[0]["spec"]["templates"] if each["name"] == "rest-of-foreach-start"]
    assert template["parallelism"] == 2
    [[step]] = template["steps"]
    assert step["withItems"] == [4, 6, 7]
    assert step["arguments"]["parameters"] == [{"name": "path", "value": "{{item}}"}]


def test_a_foreach_of_which_nothing_is_done_is_left_as_it_is() -> None:
    left = wide(10_000, done=set())
    steps = [template for template in left.templates if isinstance(template, Steps)]
    assert not any(task.items for template in steps for task in template.tasks)
    [fan, *_] = left.by_name[left.entrypoint].tasks  # type: ignore[union-attr]
    assert fan.arguments == (("splits", ("10000",)),)


def test_nodes_of_a_fan_out_over_a_list_have_the_names_that_argo_gives_them() -> None:
    run = Drive(wide(10, done={0, 1, 2, 3, 5, 8, 9}))
    run.take(run.scheduler.begin())
    assert run.started == [
        "wf.foreach-start[0].work(0:4)",
        "wf.foreach-start[0].work(1:6)",
    ], "two at a time"
