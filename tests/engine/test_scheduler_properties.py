"""What holds for every plan, whatever happens to its pods."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from engine_plans import FAILED, SUCCEEDED, Drive, fan_out, outcomes, plans
from flow_meaning import Decisions, Run, meaning
from graph_strategies import graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaflow_hera.command import TaskCommand
from metaflow_hera.engine.journal import Ended, Event, Journal, ShutDown
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import ON_EXIT, Scheduler
from metaflow_hera.graph.model import Graph, Switch
from metaflow_hera.plan.compile import CompileOptions, compile_plan
from metaflow_hera.plan.records import Dag, Plan, Retry

OUTPUTS = {"next": "a", "n": "2"}
SEEDS = st.integers(0, 2**32)
unhurried = settings(deadline=None)


def drive(plan: Plan, seed: int) -> Drive:
    chance = random.Random(seed)
    return Drive(plan, outcomes(seed), chance.choice)


@unhurried
@given(plans(), SEEDS)
def test_every_run_ends(plan: Plan, seed: int) -> None:
    ended = drive(plan, seed).run()
    assert ended.scheduler.phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.ERROR)
    assert (ended.scheduler.phase is Phase.SUCCEEDED) == (ended.scheduler.message == "")


@unhurried
@given(plans(), SEEDS)
def test_parallelism_is_never_exceeded(plan: Plan, seed: int) -> None:
    run = drive(plan, seed)
    run.take(run.scheduler.begin())
    while not run.scheduler.phase.is_final:
        check_parallelism(plan, run)
        run.step()


def check_parallelism(plan: Plan, run: Drive) -> None:
    """Count the direct children with a living pod of each invocation that has a limit."""
    children: Counter[tuple[str, str]] = Counter()
    for pod in run.pods.values():
        if ".onExit" in pod.name:
            continue
        path = pod.node.split(".")
        dag = plan.by_name[plan.entrypoint]
        for depth in range(1, len(path)):
            assert isinstance(dag, Dag)
            children[dag.name, ".".join(path[: depth + 1])] += 1
            task = path[depth].partition("(")[0]
            dag = plan.by_name[next(each.template for each in dag.tasks if each.name == task)]
    active = Counter((dag, node.rpartition(".")[0]) for dag, node in children)
    for (name, _), count in active.items():
        limit = plan.by_name[name].parallelism  # type: ignore[union-attr]
        assert limit is None or count <= limit


@unhurried
@given(plans(), SEEDS)
def test_no_task_starts_before_what_it_depends_on_has_ended(plan: Plan, seed: int) -> None:
    run = drive(plan, seed)
    run.take(run.scheduler.begin())
    checked = 0
    while True:
        for name in run.started[checked:]:
            check_dependencies(plan, run, name)
        checked = len(run.started)
        if run.scheduler.phase.is_final:
            return
        run.step()


def check_dependencies(plan: Plan, run: Drive, pod: str) -> None:
    if ".onExit" in pod:
        return
    path = pod.split(".")
    dag = plan.by_name[plan.entrypoint]
    for depth in range(1, len(path)):
        assert isinstance(dag, Dag)
        task = next(each for each in dag.tasks if each.name == path[depth].partition("(")[0])
        scope = ".".join(path[:depth])
        for other in dag.tasks:
            if task.depends and f"Succeeded(task='{other.name}')" in repr(task.depends):
                assert f"{scope}.{other.name}" in run.phases
        dag = plan.by_name[task.template]


@unhurried
@given(plans(), SEEDS, st.data())
def test_a_replay_of_what_happened_gives_the_same_run(plan: Plan, seed: int, data: st.DataObject) -> None:
    original = drive(plan, seed)
    original.take(original.scheduler.begin())
    steps = data.draw(st.integers(0, 30))
    while steps and not original.scheduler.phase.is_final:
        original.step()
        steps -= 1
    if data.draw(st.booleans()):
        original.events.append(ShutDown(how=Shutdown.TERMINATE, at=original.now))
        original.take(original.scheduler.shut_down(Shutdown.TERMINATE))
    again = drive(plan, seed)
    again.pods = Journal(original.events).replay(again.scheduler)
    again.now = original.now
    again.pods.update((pod.name, pod) for pod in again.scheduler.advance(original.now))
    assert again.pods == original.pods
    assert again.phases == original.phases
    assert (again.scheduler.phase, again.scheduler.message, again.scheduler.next_due) == (
        original.scheduler.phase,
        original.scheduler.message,
        original.scheduler.next_due,
    )
    order = random.Random(seed)
    while not original.scheduler.phase.is_final:
        chosen = order.choice(sorted(original.pods) or [""])
        original.pick = again.pick = lambda names, chosen=chosen: chosen
        original.step()
        again.step()
    assert again.phases == original.phases
    assert again.scheduler.phase == original.scheduler.phase


@settings(parent=unhurried, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(max_leaves=6, decorated=False), SEEDS)
def test_the_plan_of_a_flow_runs_the_tasks_that_the_flow_means(graph: Graph, seed: int) -> None:
    def chance(run: Run) -> random.Random:
        return random.Random(f"{seed} {run}")

    decisions = Decisions(
        width=lambda run: chance(run).randint(1, 3),
        choice=lambda run: chance(run).choice([target for target in graph[run[0]].targets if target != run[0]]),
    )
    started: list[Run] = []

    def outcome(pod: Pod) -> PodOutcome:
        command = TaskCommand.parse(pod.args)
        run = (command.step, command.path)
        started.append(run)
        following = decisions.choice(run) if isinstance(graph[run[0]].transition, Switch) else ""
        return PodOutcome(phase=Phase.SUCCEEDED, outputs={"splits": str(decisions.width(run)), "next": following})

    options = CompileOptions(name="f", file="f.py", store="/nowhere", image="x", command=("x",))
    ended = Drive(compile_plan(graph, options), outcome, random.Random(seed).choice).run()

    meant = meaning(graph, decisions)
    assert sorted(started) == sorted(meant)
    place = {run: number for number, run in enumerate(started)}
    assert all(place[parent] < place[run] for run, parents in meant.items() for parent in parents)
    assert ended.scheduler.phase is Phase.SUCCEEDED


def run_wide(count: int, retry: Retry | None = None) -> tuple[float, int]:
    """Seconds of processor time, and the most memory, that a fan-out of *count* items takes."""
    scheduler = Scheduler(fan_out(str(count), parallelism=100, retry=retry), "wf", started=0)
    tracemalloc.start()
    begun = time.process_time()
    pods = {pod.name: pod for pod in scheduler.begin()}
    while pods:
        name, pod = next(iter(pods.items()))
        del pods[name]
        outcome = FAILED if retry and pod.attempt < retry.limit else SUCCEEDED
        pods.update((pod.name, pod) for pod in scheduler.ended(name, outcome, now=0))
    spent = time.process_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scheduler.phase is Phase.SUCCEEDED
    return spent, peak


def test_a_hundred_thousand_items_take_no_more_memory_than_a_thousand_and_time_in_proportion() -> None:
    few, memory_of_few = run_wide(5_000)
    many, memory_of_many = run_wide(100_000)
    assert memory_of_many < 2 * memory_of_few
    assert many < 20 * few * 4, "20 times the items, with room for a noisy machine"


def test_items_without_a_limit_take_memory_in_proportion() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        scheduler = Scheduler(fan_out(str(count)), "wf", started=0)
        pods = scheduler.begin()
        assert len(pods) == count
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(20_000) < 12 * peak(2_000)


def kept_of(run: Drive, nodes: dict[str, str]) -> list[Ended]:
    """What a retry keeps of the events: those of nodes that succeeded, besides the exit handler's."""
    ended = [event for event in run.events if isinstance(event, Ended) and ON_EXIT not in event.pod]
    done = {nodes[event.pod] for event in ended if event.outcome.phase is Phase.SUCCEEDED}
    return [replace(event, is_known=True) for event in ended if nodes[event.pod] in done]


@unhurried
@given(plans(), SEEDS, st.data())
def test_a_retry_runs_nothing_again_that_succeeded_and_replays_like_any_run(
    plan: Plan, seed: int, data: st.DataObject
) -> None:
    plan = replace(plan, deadline=None)
    nodes: dict[str, str] = {}
    mended: Callable[[Pod], PodOutcome] = lambda pod: PodOutcome(phase=Phase.SUCCEEDED, outputs=OUTPUTS)  # noqa: E731
    original = drive(plan, seed)
    decide = original.decide
    original.decide = lambda pod: (nodes.update({pod.name: pod.node}), decide(pod))[1]
    original.run()
    events: list[Event] = [*kept_of(original, nodes)]
    known = {event.pod for event in events if isinstance(event, Ended)}
    scheduler, pods, now = Scheduler(plan, "wf", started=100.0), {}, 100.0
    journal = Journal(events)
    pods |= journal.replay(scheduler)
    chance = random.Random(seed)
    ran: list[str] = []
    crash = data.draw(st.integers(0, 20))
    while not scheduler.phase.is_final:
        pods.update((pod.name, pod) for pod in journal.to_run(scheduler, scheduler.advance(now)))
        if len(ran) == crash:  # the engine dies, and another one takes the run up
            again = Scheduler(plan, "wf", started=100.0)
            found = Journal(events).replay(again)
            found.update((pod.name, pod) for pod in Journal(events).to_run(again, again.advance(now)))
            assert found.keys() == pods.keys()
            scheduler, crash = again, -1
        if not pods:
            now = max(now, scheduler.next_due or now)
            pods.update((pod.name, pod) for pod in journal.to_run(scheduler, scheduler.advance(now)))
            continue
        name, now = chance.choice(sorted(pods)), now + 1
        ran.append(name)
        event = Ended(pod=name, outcome=mended(pods.pop(name)), at=now)
        events.append(event)
        pods.update((pod.name, pod) for pod in journal.to_run(scheduler, scheduler.advance(now)))
        pods.update((pod.name, pod) for pod in journal.to_run(scheduler, scheduler.ended(name, event.outcome, now)))
    assert not known & set(ran)
    assert len(ran) == len(set(ran))
    assert scheduler.phase is Phase.SUCCEEDED
