"""The scheduler against Argo's rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_plans import FAILED, SUCCEEDED, Drive, after, chain, container, fan_out, plan, with_exit

from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.plan.records import Container, Dag, Plan, Retry, Steps, Task
from metaflow_hera.plan.text import AllOf, AnyOf, Input, Item, Never, OutputIs, Retries, Succeeded, TaskOutput, text


def failing(*names: str) -> object:
    return lambda pod: FAILED if pod.name in names else SUCCEEDED


def test_a_chain_runs_in_order_under_argos_names() -> None:
    drive = Drive(plan(chain("a", "b", "c"), container("x"))).run()
    assert drive.started == ["wf.a", "wf.b", "wf.c"]
    assert drive.scheduler.phase is Phase.SUCCEEDED
    assert drive.phases["wf"] is Phase.SUCCEEDED


def test_what_comes_after_a_failure_is_omitted_and_the_dag_failed() -> None:
    drive = Drive(plan(chain("a", "b", "c"), container("x")), failing("wf.a")).run()
    assert drive.phases == {"wf.a": "Failed", "wf.b": "Omitted", "wf.c": "Omitted", "wf": "Failed"}
    assert drive.scheduler.phase is Phase.FAILED
    assert drive.scheduler.message == "wf.a: main: Error (exit code 1)"


def test_a_failure_does_not_stop_other_branches() -> None:
    tasks = (
        Task(name="a", template="x"),
        Task(name="b", template="x"),
        Task(name="c", template="x", depends=after("b")),
        Task(name="join", template="x", depends=after("a", "c")),
    )
    drive = Drive(plan(Dag(name="main", tasks=tasks), container("x")), failing("wf.a")).run()
    assert drive.phases["wf.c"] is Phase.SUCCEEDED
    assert drive.phases["wf.join"] is Phase.OMITTED
    assert drive.scheduler.phase is Phase.FAILED


def test_a_join_waits_for_all_that_it_refers_to_even_when_one_would_do() -> None:
    tasks = (
        Task(name="a", template="x"),
        Task(name="b", template="x"),
        Task(name="join", template="x", depends=AnyOf((Succeeded("a"), Succeeded("b")))),
    )
    drive = Drive(plan(Dag(name="main", tasks=tasks), container("x")), failing("wf.b"))
    drive.take(drive.scheduler.begin())
    drive.step()
    assert "wf.join" not in drive.started
    drive.step()
    assert "wf.join" in drive.started
    drive.step()
    assert drive.scheduler.phase is Phase.SUCCEEDED, "a failed task whose dependents tolerate it does not fail the DAG"


def switch(chosen: str) -> Drive:
    tasks = (
        Task(name="s", template="s"),
        Task(name="a", template="x", depends=after("s"), when=OutputIs("s", "next", "a")),
        Task(name="b", template="x", depends=after("s"), when=OutputIs("s", "next", "b")),
        Task(name="b2", template="x", depends=after("b")),
        Task(name="join", template="x", depends=AnyOf((Succeeded("a"), Succeeded("b2")))),
    )
    switching = container("s", outputs=(("next", "out/next"),))
    outcome = PodOutcome(phase=Phase.SUCCEEDED, outputs={"next": chosen})
    made = plan(Dag(name="main", tasks=tasks), switching, container("x"))
    return Drive(made, lambda pod: outcome if pod.name == "wf.s" else SUCCEEDED).run()


@pytest.mark.parametrize(
    ("chosen", "skipped"),
    [("a", {"wf.b": "Skipped", "wf.b2": "Omitted"}), ("b", {"wf.a": "Skipped"})],
)
def test_a_switch_skips_the_head_of_the_other_branch_and_omits_the_rest_of_it(
    chosen: str, skipped: dict[str, str]
) -> None:
    drive = switch(chosen)
    assert {node: phase for node, phase in drive.phases.items() if phase in ("Skipped", "Omitted")} == skipped
    assert drive.phases["wf.join"] is Phase.SUCCEEDED
    assert drive.scheduler.phase is Phase.SUCCEEDED


@pytest.mark.parametrize(("chosen", "done"), [("join", Phase.SUCCEEDED), ("a", Phase.SKIPPED)])
def test_a_way_past_the_branches_of_a_switch_succeeds_at_once_if_it_is_chosen(chosen: str, done: Phase) -> None:
    tasks = (
        Task(name="s", template="s"),
        Task(name="s-to-join", template="shortcut", depends=after("s"), when=OutputIs("s", "next", "join")),
        Task(name="a", template="x", depends=after("s"), when=OutputIs("s", "next", "a")),
        Task(name="join", template="x", depends=AnyOf((Succeeded("s-to-join"), Succeeded("a")))),
    )
    outcome = PodOutcome(phase=Phase.SUCCEEDED, outputs={"next": chosen})
    made = plan(
        Dag(name="main", tasks=tasks),
        container("s", outputs=(("next", "out/next"),)),
        container("x"),
        Steps(name="shortcut", tasks=(Task(name="nothing", template="x", when=Never()),)),
    )
    drive = Drive(made, lambda pod: outcome if pod.name == "wf.s" else SUCCEEDED).run()

    assert drive.phases["wf.s-to-join"] is done
    assert drive.started == ["wf.s", *(["wf.a"] if chosen == "a" else []), "wf.join"]
    assert drive.scheduler.phase is Phase.SUCCEEDED


def test_a_fan_out_gives_each_item_its_index_and_ends_when_all_have() -> None:
    drive = Drive(fan_out("3"))
    drive.take(drive.scheduler.begin())
    assert [(pod.name, pod.args) for pod in drive.pods.values()] == [
        ("wf.wrap.x(0:0)", ("x0",)),
        ("wf.wrap.x(1:1)", ("x1",)),
        ("wf.wrap.x(2:2)", ("x2",)),
    ]
    while not drive.scheduler.phase.is_final:
        drive.step()
    assert drive.started[-1] == "wf.join"


def test_all_items_run_though_one_failed_and_the_group_failed() -> None:
    drive = Drive(fan_out("5", parallelism=2), failing("wf.wrap.x(0:0)")).run()
    assert len([node for node in drive.started if "wrap" in node]) == 5
    assert drive.phases["wf.wrap.x"] is Phase.FAILED
    assert drive.phases["wf.join"] is Phase.OMITTED


def test_a_fan_out_of_nothing_is_skipped_and_its_wrapper_succeeds_as_in_argo() -> None:
    drive = Drive(fan_out("0")).run()
    assert drive.phases["wf.wrap.x"] is Phase.SKIPPED
    assert drive.phases["wf.wrap"] is Phase.SUCCEEDED
    assert drive.started == ["wf.join"]


def test_a_fan_out_over_no_number_is_an_error() -> None:
    drive = Drive(fan_out("many")).run()
    assert drive.phases["wf.wrap.x"] is Phase.ERROR
    assert "'many' is no number of items" in drive.scheduler.message


def test_a_retry_counts_attempts_and_tells_them_to_the_container() -> None:
    made = plan(
        chain("a", "b"),
        container("x", args=(text("--attempt"), text(Retries())), retry=Retry(limit=2)),
    )
    drive = Drive(made, failing("wf.a(0)", "wf.a(1)"))
    args: dict[str, tuple[str, ...]] = {}
    drive.decide, decide = lambda pod: (args.update({pod.name: pod.args}), decide(pod))[1], drive.decide
    drive.run()
    assert args["wf.a(2)"] == ("--attempt", "2")
    assert drive.started == ["wf.a(0)", "wf.a(1)", "wf.a(2)", "wf.b(0)"]
    assert drive.scheduler.phase is Phase.SUCCEEDED


def test_no_retry_is_left_after_the_limit() -> None:
    made = plan(chain("a"), container("x", retry=Retry(limit=1)))
    drive = Drive(made, lambda pod: FAILED).run()
    assert drive.started == ["wf.a(0)", "wf.a(1)"]
    assert drive.scheduler.phase is Phase.FAILED


def test_an_error_is_retried_like_a_failure() -> None:
    made = plan(chain("a"), container("x", retry=Retry(limit=1)))
    drive = Drive(made, lambda pod: PodOutcome(phase=Phase.ERROR) if pod.attempt == 0 else SUCCEEDED).run()
    assert drive.scheduler.phase is Phase.SUCCEEDED


def test_a_retry_waits_for_its_backoff() -> None:
    scheduler = Scheduler(plan(chain("a"), container("x", retry=Retry(limit=1, backoff=60))), "wf", started=0)
    scheduler.begin()
    assert scheduler.ended("wf.a(0)", FAILED, now=100) == []
    assert scheduler.next_due == 160
    assert scheduler.advance(159) == []
    assert [pod.name for pod in scheduler.advance(160)] == ["wf.a(1)"]


def test_a_task_that_waits_for_its_retry_keeps_its_place_in_the_fan_out() -> None:
    scheduler = Scheduler(fan_out("3", parallelism=1, retry=Retry(limit=1, backoff=60)), "wf", started=0)
    scheduler.begin()
    assert scheduler.ended("wf.wrap.x(0:0)(0)", FAILED, now=0) == []
    assert [pod.name for pod in scheduler.advance(60)] == ["wf.wrap.x(0:0)(1)"]


def test_a_succeeded_task_without_its_output_is_in_error() -> None:
    made = plan(chain("a", "b"), container("x", outputs=(("splits", "out/splits"),)))
    drive = Drive(made).run()
    assert drive.phases["wf.a"] is Phase.ERROR
    assert drive.scheduler.message == "wf.a: left no output 'splits'"


def test_outputs_reach_the_arguments_of_what_depends_on_them() -> None:
    tasks = (
        Task(name="a", template="s"),
        Task(name="b", template="x", depends=after("a"), arguments=(("n", text("n=", TaskOutput("a", "n"))),)),
    )
    made = plan(
        Dag(name="main", tasks=tasks),
        container("s", outputs=(("n", "out/n"),)),
        container("x", inputs=("n",), args=(text(Input("n")),)),
    )
    scheduler = Scheduler(made, "wf", started=0)
    scheduler.begin()
    [pod] = scheduler.ended("wf.a", PodOutcome(phase=Phase.SUCCEEDED, outputs={"n": "{{item}}"}), now=0)
    assert pod.args == ("n={{item}}",)


def test_an_output_that_nobody_left_is_an_error_where_argo_would_wait_forever() -> None:
    tasks = (
        Task(name="a", template="x"),
        Task(name="b", template="x", depends=after("a"), arguments=(("n", text(TaskOutput("a", "n"))),)),
    )
    drive = Drive(plan(Dag(name="main", tasks=tasks), container("x"))).run()
    assert drive.phases["wf.b"] is Phase.ERROR
    assert "Argo would wait forever" in drive.scheduler.message


def nested() -> Plan:
    main = Dag(name="main", tasks=(Task(name="outer", template="wrapper"),))
    wrapper = Dag(
        name="wrapper",
        tasks=(Task(name="body", template="body", arguments=(("path", text(Item())),), count=("4",)),),
        parallelism=2,
    )
    body = Dag(
        name="body",
        inputs=("path",),
        tasks=(
            Task(name="p", template="x", arguments=(("path", text(Input("path"), ".0")),)),
            Task(name="q", template="x", arguments=(("path", text(Input("path"), ".1")),)),
        ),
    )
    return plan(main, wrapper, body, container("x", inputs=("path",), args=(text(Input("path")),)))


def test_parallelism_counts_direct_children_so_a_nested_dag_counts_once() -> None:
    drive = Drive(nested())
    drive.take(drive.scheduler.begin())
    assert [pod.args[0] for pod in drive.pods.values()] == ["0.0", "0.1", "1.0", "1.1"]
    drive.step()
    assert len(drive.pods) == 3
    drive.step()
    assert [pod.args[0] for pod in drive.pods.values()] == ["1.0", "1.1", "2.0", "2.1"]
    assert "wf.outer.body(2:2).p" in drive.pods


def test_the_exit_handler_is_skipped_after_success() -> None:
    drive = Drive(with_exit(plan(chain("a"), container("x")))).run()
    assert drive.started == ["wf.a"]
    assert drive.phases["wf.onExit[0].finish"] is Phase.SKIPPED
    assert drive.scheduler.phase is Phase.SUCCEEDED


def test_the_exit_handler_learns_how_the_workflow_ended() -> None:
    drive = Drive(with_exit(plan(chain("a"), container("x"))), failing("wf.a"))
    drive.take(drive.scheduler.begin())
    drive.step()
    assert drive.pods["wf.onExit[0].finish"].args == ("Failed",)
    assert drive.scheduler.phase is Phase.RUNNING
    drive.step()
    assert drive.scheduler.phase is Phase.FAILED


def test_a_stopped_run_starts_nothing_more_but_its_exit_handler() -> None:
    flow = with_exit(fan_out("5", parallelism=2, retry=Retry(limit=3)))
    drive = Drive(replace(flow, deadline=10), lambda pod: FAILED)
    drive.take(drive.scheduler.begin())
    drive.take(drive.scheduler.advance(10.0))
    assert drive.scheduler.is_stopping
    while not drive.scheduler.phase.is_final:
        drive.step()
    assert drive.started == ["wf.wrap.x(0:0)(0)", "wf.wrap.x(1:1)(0)", "wf.onExit[0].finish"]
    assert (drive.scheduler.phase, drive.scheduler.message) == (Phase.FAILED, "the run took longer than its deadline")


def exiting(*forgiven: bool) -> Plan:
    """An exit handler of several steps, each of which is forgiven or not."""
    tasks = tuple(
        Task(name=f"e{number}", template="x", is_forgiven=is_forgiven) for number, is_forgiven in enumerate(forgiven)
    )
    return replace(plan(chain("a"), container("x"), Steps(name="exit", tasks=tasks)), on_exit="exit")


def test_the_steps_of_an_exit_handler_run_one_after_the_other() -> None:
    drive = Drive(exiting(False, False, False)).run()
    assert drive.started == ["wf.a", "wf.onExit[0].e0", "wf.onExit[1].e1", "wf.onExit[2].e2"]
    assert drive.phases["wf.onExit"] is Phase.SUCCEEDED


def test_after_a_step_of_the_exit_handler_that_is_forgiven_everything_goes_on_as_after_success() -> None:
    drive = Drive(exiting(True, True), failing("wf.onExit[0].e0")).run()
    assert drive.started == ["wf.a", "wf.onExit[0].e0", "wf.onExit[1].e1"]
    assert (drive.phases["wf.onExit"], drive.scheduler.phase) == (Phase.SUCCEEDED, Phase.SUCCEEDED)
    assert drive.scheduler.message == ""


def test_a_step_of_the_exit_handler_that_is_not_forgiven_ends_it_and_fails_the_run() -> None:
    drive = Drive(exiting(False, True), failing("wf.onExit[0].e0")).run()
    assert drive.started == ["wf.a", "wf.onExit[0].e0"]
    assert (drive.phases["wf.onExit"], drive.scheduler.phase) == (Phase.FAILED, Phase.FAILED)


def test_a_terminated_run_has_no_exit_handler() -> None:
    drive = Drive(with_exit(plan(chain("a", "b"), container("x"))), failing("wf.a"))
    drive.take(drive.scheduler.begin())
    drive.scheduler.shut_down(Shutdown.TERMINATE)
    drive.step()
    assert drive.started == ["wf.a"]
    assert (drive.scheduler.phase, drive.scheduler.message) == (Phase.FAILED, "terminated")


def test_a_run_that_somebody_stops_has_its_exit_handler_and_a_second_stop_lets_that_run() -> None:
    drive = Drive(with_exit(plan(chain("a", "b"), container("x"))), failing("wf.a"))
    drive.take(drive.scheduler.begin())
    assert drive.scheduler.shut_down(Shutdown.STOP) == []
    drive.step()
    assert drive.started == ["wf.a", "wf.onExit[0].finish"]
    assert drive.scheduler.shut_down(Shutdown.STOP) == []
    assert not drive.scheduler.is_stopping
    drive.step()
    assert (drive.scheduler.phase, drive.scheduler.message) == (Phase.FAILED, "stopped")


def test_a_run_that_is_stopped_can_be_terminated() -> None:
    drive = Drive(with_exit(plan(chain("a", "b"), container("x"))), failing("wf.a"))
    drive.take(drive.scheduler.begin())
    for how in (Shutdown.STOP, Shutdown.TERMINATE):
        assert drive.scheduler.shut_down(how) == []
    drive.step()
    assert (drive.started, drive.scheduler.message) == (["wf.a"], "terminated")
    assert drive.scheduler.shut_down(Shutdown.TERMINATE) == []
    assert drive.scheduler.phase is Phase.FAILED


def test_a_run_that_waits_for_a_retry_ends_at_once_when_it_is_terminated() -> None:
    scheduler = Scheduler(plan(chain("a"), container("x", retry=Retry(limit=1, backoff=60))), "wf", started=0)
    scheduler.begin()
    scheduler.ended("wf.a(0)", FAILED, now=0)
    assert scheduler.shut_down(Shutdown.TERMINATE) == []
    assert scheduler.phase is Phase.FAILED


def test_a_run_past_its_deadline_is_stopped() -> None:
    made = replace(with_exit(plan(chain("a", "b"), container("x"))), deadline=10)
    scheduler = Scheduler(made, "wf", started=100)
    scheduler.begin()
    assert scheduler.next_due == 110
    assert scheduler.advance(110) == []
    assert scheduler.is_stopping
    [pod] = scheduler.ended("wf.a", FAILED, now=111)
    assert pod.name == "wf.onExit[0].finish"
    assert "deadline" in scheduler.message


def test_a_long_chain_of_omitted_tasks_does_not_exhaust_the_stack() -> None:
    names = [f"t{number}" for number in range(5000)]
    drive = Drive(plan(chain(*names), container("x")), failing("wf.t0")).run()
    assert drive.phases["wf.t4999"] is Phase.OMITTED


def test_a_container_that_is_no_task_is_named_after_its_template() -> None:
    exit_pod = Pod(name="wf.onExit[0].finish", node="wf.onExit[0].finish", template=container("finish"), args=("exit",))
    assert exit_pod.task == ("finish", "0")


def test_all_of_needs_every_branch() -> None:
    tasks = (
        Task(name="a", template="x"),
        Task(name="b", template="x"),
        Task(name="join", template="x", depends=AllOf((Succeeded("a"), Succeeded("b")))),
    )
    templates: tuple[Dag | Container, ...] = (Dag(name="main", tasks=tasks), container("x"))
    assert Drive(plan(*templates), failing("wf.b")).run().phases["wf.join"] is Phase.OMITTED
