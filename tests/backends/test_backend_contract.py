"""What every backend promises."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from backend_plans import ALPHA, FLOW, container, deployed, one_step, wait_for, wide, with_exit
from board import Board

from metaflow_hera.backends import Backend, Phase, RunStatus
from metaflow_hera.deployment_names import fresh_workflow_name
from metaflow_hera.errors import BackendError, NotDeployedError, ParameterError, UnknownRunError
from metaflow_hera.naming import workflow_run_id
from metaflow_hera.plan.records import (
    Dag,
    EventSource,
    Parameter,
    Plan,
    Retry,
    Schedule,
    Steps,
    Task,
    Triggers,
)
from metaflow_hera.plan.text import Input, Item, Retries, Succeeded, text
from metaflow_hera.records.events import Awaited

HOSTILE = {
    "quotes": 'it\'s a "quoted" `value`',
    "newlines": "a\nb\r\n\tc\n",
    "references": "{{workflow.name}} {{=1+1}} $(HOME) $HOME ${HOME} %s",
    "shell": "; rm -rf / #'\"\\",
    "unicode": "Ünï 中文 \U0001f600 \u202e\u0000"[:-1],
    "control": "".join(map(chr, range(1, 32))) + "\x7f",
    "long": "x" * 50_000,
    "empty": "",
    "document": '{"a": [1, null]}',
}
HELD = 2.0
"""Seconds in which a backend would have started what it must not."""

READ_PARAMETERS = """
import base64, json
listed = json.loads(base64.b64decode((out / "parameters").read_bytes()))
"""


def ended(backend: Backend, run: str) -> RunStatus:
    *_, last = backend.watch(run)
    return last


def phases_of(backend: Backend, run: str, step: str) -> list[Phase]:
    return [node.phase for node in backend.run(run).nodes if node.step == step]


def failing_times(times: int) -> str:
    return f"sys.exit(0 if int(sys.argv[-1]) >= {times} else 7)"


def test_a_deployment_is_what_was_deployed(backend: Backend) -> None:
    plan = wide("", 3, name="fan")
    backend.deploy(plan)
    found = backend.deployment("fan")
    assert replace(found.plan, namespace="") == plan
    assert [each for each in backend.deployments() if each.name == "fan"] == [found]


def test_a_run_goes_from_pending_to_succeeded_and_tells_of_its_tasks(backend: Backend) -> None:
    backend.deploy(wide("", 3, name="fan"))
    run = backend.trigger("fan", {})
    assert run.startswith("argo-fan-")
    phases = [status.phase for status in backend.watch(run)]
    assert phases == sorted(phases, key=[Phase.PENDING, Phase.RUNNING, Phase.SUCCEEDED].index)
    status = backend.run(run)
    assert status.phase is Phase.SUCCEEDED
    assert status.flow == FLOW
    assert (status.deployment, status.message) == ("fan", "")
    assert status.started and status.finished and status.created <= status.started <= status.finished
    assert len(status.nodes) == 5
    assert all(node.phase is Phase.SUCCEEDED and node.attempts == 1 for node in status.nodes)


def test_watching_a_run_that_has_ended_tells_its_end_once(backend: Backend) -> None:
    backend.deploy(one_step(""))
    run = backend.trigger("onestep", {})
    ended(backend, run)
    assert [status.phase for status in backend.watch(run)] == [Phase.SUCCEEDED]


def test_runs_are_listed_newest_first(backend: Backend) -> None:
    backend.deploy(one_step("", "one"))
    backend.deploy(one_step("", "two"))
    runs = [backend.trigger(name, {}) for name in ("one", "two", "one")]
    wait_for(lambda: set(runs) <= {status.run for status in backend.runs()})  # the Argo Server lists a moment late
    assert [status.run for status in backend.runs() if status.run in runs] == runs[::-1]
    assert [status.run for status in backend.runs("one")] == [runs[2], runs[0]]
    for run in runs:
        ended(backend, run)


def test_values_arrive_byte_for_byte(backend: Backend, board: Board) -> None:
    code = f"{board.client}{READ_PARAMETERS}\npost('seen', json.dumps(listed))"
    parameters = tuple(Parameter(name=name, value="default") for name in HOSTILE)
    plan = one_step(code, parameters_file="parameters", parameters=parameters)
    backend.deploy(plan)
    assert ended(backend, backend.trigger("onestep", HOSTILE)).phase is Phase.SUCCEEDED
    assert {one["name"]: one["value"] for one in json.loads(board.notes["seen"])} == HOSTILE


def test_defaults_stand_in_for_what_is_not_given(backend: Backend) -> None:
    backend.deploy(one_step("", parameters=(ALPHA, Parameter(name="beta", value="b"))))
    run = backend.trigger("onestep", {"beta": "c"})
    assert backend.run(run).parameters == {"alpha": "0.5", "beta": "c"}
    ended(backend, run)


def test_a_trigger_with_wrong_parameters_is_refused_with_all_that_is_wrong_and_starts_nothing(backend: Backend) -> None:
    backend.deploy(one_step("", parameters=(ALPHA, Parameter(name="must"))))
    with pytest.raises(ParameterError, match=r"no parameter 'gamma'.*'must' has no default and must be given .--must."):
        backend.trigger("onestep", {"gamma": "1"})
    assert list(backend.runs("onestep")) == []


def test_parameters_that_are_too_large_together_are_refused(backend: Backend) -> None:
    backend.deploy(one_step("", parameters=(ALPHA, Parameter(name="beta", value=""))))
    with pytest.raises(ParameterError, match="262,145 bytes"):
        backend.trigger("onestep", {"alpha": "x" * 131_072, "beta": "ü" * 65_536 + "x"})


def test_unknown_names_are_named(backend: Backend) -> None:
    with pytest.raises(NotDeployedError, match="'nothing' is not deployed"):
        backend.trigger("nothing", {})
    with pytest.raises(NotDeployedError):
        backend.deployment("nothing")
    with pytest.raises(NotDeployedError):
        backend.delete("nothing")
    for unknown in ("argo-nothing-x1", "1234"):
        with pytest.raises(UnknownRunError, match=unknown):
            backend.run(unknown)
        for act in (backend.terminate, backend.stop, backend.suspend, backend.unsuspend, backend.retry):
            with pytest.raises(UnknownRunError):
                act(unknown)
        with pytest.raises(UnknownRunError):
            next(iter(backend.watch(unknown)))


def test_an_unknown_name_is_told_with_where_it_is_not_and_what_is_like_it(backend: Backend) -> None:
    backend.deploy(one_step("", "training"))
    with pytest.raises(NotDeployedError) as raised:
        backend.trigger("trainign", {})
    assert f"is not deployed in {backend.where} (deployed: training" in str(raised.value)


def test_a_run_in_flight_keeps_the_version_that_it_began_with(backend: Backend, board: Board) -> None:
    def version(number: int) -> Plan:
        code = f"""{board.client}
import time
post("begun")
while not posted("go"): time.sleep(0.01)
post("seen", "{number}")
"""
        return wide(code, 3, parallelism=1, name="versions")

    backend.deploy(version(1))
    first = backend.trigger("versions", {})
    wait_for(lambda: "begun" in board.notes)
    backend.deploy(version(2))
    second = backend.trigger("versions", {})
    board.post("go")
    assert ended(backend, first).phase is Phase.SUCCEEDED
    assert ended(backend, second).phase is Phase.SUCCEEDED
    assert sorted(board.notes["seen"]) == list("111222")


def test_runs_outlive_their_deployment(backend: Backend) -> None:
    backend.deploy(wide("import time; time.sleep(0.2)", 3, name="gone"))
    run = backend.trigger("gone", {})
    wait_for(lambda: backend.run(run).phase is not Phase.PENDING)
    backend.delete("gone")
    assert "gone" not in [each.name for each in backend.deployments()]
    assert ended(backend, run).phase is Phase.SUCCEEDED


def test_a_failed_task_is_tried_again_and_told_its_attempt(backend: Backend) -> None:
    backend.deploy(one_step(failing_times(2), "retried", text(Retries()), retry=Retry(limit=3)))
    status = ended(backend, backend.trigger("retried", {}))
    assert status.phase is Phase.SUCCEEDED
    assert [(node.attempts, node.phase) for node in status.nodes] == [(3, Phase.SUCCEEDED)]


def test_a_run_says_which_task_failed_and_how(backend: Backend) -> None:
    backend.deploy(one_step(failing_times(9), "failing", text(Retries()), retry=Retry(limit=1)))
    status = ended(backend, backend.trigger("failing", {}))
    assert status.phase is Phase.FAILED
    assert "start: main: Error (exit code 7)" in status.message
    [node] = status.nodes
    assert (node.attempts, node.phase, node.message) == (2, Phase.FAILED, "main: Error (exit code 7)")


def test_a_task_past_its_deadline_is_failed(backend: Backend) -> None:
    backend.deploy(one_step("import time; time.sleep(60)", deadline=1))
    status = ended(backend, backend.trigger("onestep", {}))
    assert status.phase is Phase.FAILED
    assert "longer than the specified deadline" in status.message


def test_a_run_past_its_deadline_is_failed(backend: Backend) -> None:
    backend.deploy(replace(one_step("import time; time.sleep(60)"), deadline=1))
    status = ended(backend, backend.trigger("onestep", {}))
    assert status.phase is Phase.FAILED
    assert "deadline" in status.message


def test_a_missing_output_is_an_error(backend: Backend) -> None:
    backend.deploy(one_step("", outputs=(("splits", "out/splits"),)))
    status = ended(backend, backend.trigger("onestep", {}))
    assert status.phase is Phase.ERROR
    assert "splits" in status.message


def test_a_command_that_does_not_exist_fails_its_task(backend: Backend) -> None:
    plan = one_step("")
    absent = replace(plan.templates[1], command=("no-such-program",))
    backend.deploy(replace(plan, templates=(plan.templates[0], absent)))
    status = ended(backend, backend.trigger("onestep", {}))
    assert status.phase is Phase.FAILED
    assert "exit code 64" in status.message


def test_the_exit_handler_runs_after_a_failure(backend: Backend, board: Board) -> None:
    backend.deploy(with_exit("sys.exit(1)", board.client))
    assert ended(backend, backend.trigger("exiting", {})).phase is Phase.FAILED
    assert board.notes == {"end": "Failed"}


def test_the_exit_handler_does_not_run_after_success(backend: Backend, board: Board) -> None:
    backend.deploy(with_exit("", board.client))
    assert ended(backend, backend.trigger("exiting", {})).phase is Phase.SUCCEEDED
    assert board.notes == {}


def test_terminate_ends_a_run_with_sigterm_and_without_exit_handler(backend: Backend, board: Board) -> None:
    backend.deploy(with_exit(waiting(board), board.client))
    run = backend.trigger("exiting", {})
    wait_for(lambda: "begun" in board.notes)
    backend.terminate(run)
    status = ended(backend, run)
    assert (status.phase, status.message) == (Phase.FAILED, "terminated")
    wait_for(lambda: "got" in board.notes)
    assert "end" not in board.notes
    backend.terminate(run)
    assert backend.run(run) == status


def waiting(board: Board) -> str:
    """Says that it has begun, and whether it got SIGTERM."""
    return f"""{board.client}
import signal, time
def on_term(*_):
    post("got")
    sys.exit(3)
signal.signal(signal.SIGTERM, on_term)
post("begun")
time.sleep(60)
"""


def test_stop_ends_a_run_with_sigterm_and_its_exit_handler(backend: Backend, board: Board) -> None:
    backend.deploy(with_exit(waiting(board), board.client))
    run = backend.trigger("exiting", {})
    wait_for(lambda: "begun" in board.notes)
    backend.stop(run)
    status = ended(backend, run)
    assert (status.phase, status.message) == (Phase.FAILED, "stopped")
    assert "got" in board.notes
    assert board.notes["end"] == "Failed"
    backend.stop(run)
    backend.suspend(run)
    backend.unsuspend(run)
    assert backend.run(run) == status


def test_a_suspended_run_ends_what_runs_and_starts_nothing_until_it_may(backend: Backend, board: Board) -> None:
    code = f"""{board.client}
import time
post("begun", sys.argv[1])
while not posted("go"): time.sleep(0.01)
"""
    backend.deploy(wide(code, 2, parallelism=1, name="suspended"))
    run = backend.trigger("suspended", {})
    assert not backend.run(run).is_suspended
    wait_for(lambda: "begun" in board.notes)
    backend.suspend(run)
    backend.suspend(run)
    board.post("go")
    wait_for(lambda: phases_of(backend, run, "x") == [Phase.SUCCEEDED])
    status = backend.run(run)
    assert (status.phase, status.is_suspended) == (Phase.RUNNING, True)
    time.sleep(HELD)
    assert phases_of(backend, run, "x") == [Phase.SUCCEEDED]
    backend.unsuspend(run)
    backend.unsuspend(run)
    status = ended(backend, run)
    assert (status.phase, status.is_suspended) == (Phase.SUCCEEDED, False)
    assert board.notes["begun"] == "01"


@pytest.mark.parametrize("end", ["stop", "terminate"])
def test_a_suspended_run_can_be_ended(backend: Backend, board: Board, end: str) -> None:
    backend.deploy(with_exit(waiting(board), board.client))
    run = backend.trigger("exiting", {})
    wait_for(lambda: "begun" in board.notes)
    backend.suspend(run)
    wait_for(lambda: backend.run(run).is_suspended)
    getattr(backend, end)(run)
    assert ended(backend, run).phase is Phase.FAILED
    assert ("end" in board.notes) == (end == "stop")


def test_a_retry_runs_what_did_not_succeed_and_keeps_the_rest(backend: Backend, board: Board) -> None:
    code = f"""{board.client}
post("begun", sys.argv[1])
sys.exit(0 if posted("mended") or sys.argv[1] != "1" and (sys.argv[1] != "0" or sys.argv[2] == "1") else 7)
"""
    plan = wide(code, 4, parallelism=1, retry=Retry(limit=1), name="retried")
    exit_ = with_exit("", board.client)
    backend.deploy(replace(plan, templates=(*plan.templates, *exit_.templates[2:]), on_exit="exit"))
    run = backend.trigger("retried", {})
    failed = ended(backend, run)
    assert failed.phase is Phase.FAILED
    assert (sorted(board.notes["begun"]), board.notes["end"]) == (list("001123"), "Failed")
    board.post("mended")
    backend.retry(run)
    backend.retry(run)
    status = ended(backend, run)
    assert (status.phase, status.message) == (Phase.SUCCEEDED, "")
    assert sorted(board.notes["begun"]) == list("0011123")
    assert board.notes["end"] == "Failed"
    attempts = {node.name.rpartition(".")[2]: node.attempts for node in status.nodes if node.step == "x"}
    assert attempts == {"x(0:0)": 2, "x(1:1)": 1, "x(2:2)": 1, "x(3:3)": 1}
    assert {node.step for node in status.nodes} == {"start", "x", "join"}
    kept = {node.name: node.finished for node in failed.nodes if node.phase is Phase.SUCCEEDED}
    assert kept.items() <= {node.name: node.finished for node in status.nodes}.items()


def test_a_retry_of_a_run_that_was_ended_goes_on_and_can_fail_and_be_retried_again(
    backend: Backend, board: Board
) -> None:
    code = f"""{board.client}
import time
post("begun")
while not posted("go"): time.sleep(0.01)
sys.exit(0 if posted("mended") else 7)
"""
    backend.deploy(with_exit(code, board.client))
    run = backend.trigger("exiting", {})
    wait_for(lambda: "begun" in board.notes)
    backend.retry(run)
    assert not backend.run(run).phase.is_final, "nothing happens to a run that goes on"
    backend.stop(run)
    assert ended(backend, run).message == "stopped"
    board.post("go")
    backend.retry(run)
    status = ended(backend, run)
    assert status.phase is Phase.FAILED
    assert "exit code 7" in status.message
    assert board.notes["end"] == "FailedFailed"
    board.post("mended")
    backend.retry(run)
    assert ended(backend, run).phase is Phase.SUCCEEDED
    assert board.notes["end"] == "FailedFailed"
    with pytest.raises(BackendError, match="succeeded, so there is nothing to try again"):
        backend.retry(run)


def test_a_deployment_keeps_its_schedule_until_it_is_deployed_without(backend: Backend) -> None:
    schedule = Schedule(cron="0 10 * * *", timezone="Europe/Berlin")
    backend.deploy(replace(one_step(""), schedule=schedule))
    assert backend.deployment("onestep").plan.schedule == schedule
    backend.deploy(one_step(""))
    assert backend.deployment("onestep").plan.schedule is None


def test_a_plan_that_is_not_deployed_runs_once_and_leaves_no_deployment(backend: Backend, board: Board) -> None:
    code = f"{board.client}{READ_PARAMETERS}\npost('seen', json.dumps(listed))"
    parameters = (ALPHA, Parameter(name="beta", value="b"))
    plan = one_step(code, "once", parameters_file="parameters", parameters=parameters)
    run = backend.submit(plan, {"alpha": HOSTILE["references"]})
    assert run.startswith("argo-once-")
    status = ended(backend, run)
    assert (status.phase, status.deployment, status.flow) == (Phase.SUCCEEDED, "", FLOW)
    assert status.parameters == {"alpha": HOSTILE["references"], "beta": "b"}
    assert {one["name"]: one["value"] for one in json.loads(board.notes["seen"])} == status.parameters
    assert [(node.step, node.attempts) for node in status.nodes] == [("start", 1)]
    assert run in [status.run for status in backend.runs()]
    assert "once" not in [each.name for each in backend.deployments()]
    assert run not in [status.run for status in backend.runs("once")]


def test_a_run_without_a_deployment_has_the_id_that_it_is_given_and_no_second_one_has(backend: Backend) -> None:
    run = workflow_run_id(fresh_workflow_name("chosen"))
    assert backend.submit(one_step("", "chosen"), {}, run) == run
    with pytest.raises(BackendError, match=run.removeprefix("argo-")):
        backend.submit(one_step("", "chosen"), {}, run)
    assert ended(backend, run).phase is Phase.SUCCEEDED


def test_a_run_without_a_deployment_is_refused_with_wrong_parameters_and_can_be_terminated(backend: Backend) -> None:
    plan = one_step("import time; time.sleep(60)", "once", parameters=(ALPHA, Parameter(name="must")))
    with pytest.raises(ParameterError, match=r"'must' has no default"):
        backend.submit(plan, {})
    run = backend.submit(plan, {"must": "x"})
    wait_for(lambda: backend.run(run).nodes)
    backend.terminate(run)
    status = ended(backend, run)
    assert (status.phase, status.message) == (Phase.FAILED, "terminated")


def test_the_plan_of_a_run_is_the_one_that_it_was_started_with(backend: Backend) -> None:
    first = replace(wide("import os", 3, name="fan", retry=Retry(limit=1)), parameters=(ALPHA,))
    backend.deploy(first)
    triggered = backend.trigger("fan", {"alpha": "1"})
    backend.deploy(replace(wide("", 2, name="fan"), parameters=(ALPHA,)))
    alone = backend.submit(with_exit("", "", "fan"), {})
    for run in (triggered, alone):
        assert ended(backend, run).phase is Phase.SUCCEEDED
    found = backend.plan(triggered)
    assert found.parameters == (replace(ALPHA, value="1"),)
    assert (found.name, found.templates, found.entrypoint) == ("fan", first.templates, first.entrypoint)
    assert replace(backend.plan(alone), namespace="") == with_exit("", "", "fan")
    with pytest.raises(UnknownRunError):
        backend.plan("argo-nothing-x1")


def test_a_fan_out_over_a_list_starts_these_items_as_its_limit_allows_whatever_fails(
    backend: Backend, board: Board
) -> None:
    """What is left of a foreach when others of its items are done."""
    items = Task(name="x", template="x", arguments=(("path", text(Item())),), items=(1, 4, 5, 1000))
    code = f"{board.client}post('seen', sys.argv[-1] + ' ')\nsys.exit(sys.argv[-1] == '4')"
    body = container("x", code, text(Input("path")), inputs=("path",))
    main = Dag(
        name="main",
        tasks=(
            Task(name="rest", template="rest"),
            Task(name="join", template="join", depends=Succeeded("rest")),
        ),
    )
    plan = deployed("rest", main, Steps(name="rest", tasks=(items,), parallelism=2), body, container("join", ""))
    run = backend.submit(plan, {})
    status = ended(backend, run)
    assert status.phase is Phase.FAILED
    assert sorted(board.notes["seen"].split()) == ["1", "1000", "4", "5"]
    workflow = run.removeprefix("argo-")
    assert {node.name: str(node.phase) for node in status.nodes} == {
        f"{workflow}.rest[0].x(0:1)": "Succeeded",
        f"{workflow}.rest[0].x(1:4)": "Failed",
        f"{workflow}.rest[0].x(2:5)": "Succeeded",
        f"{workflow}.rest[0].x(3:1000)": "Succeeded",
    }


def test_a_deployment_keeps_its_triggers_until_it_is_deployed_without(backend: Backend) -> None:
    source = EventSource(name="webhook", event="metaflow", service_account="sensor")
    triggers = Triggers(events=(Awaited(name="data", parameters={"alpha": "rate"}),), source=source)
    backend.deploy(replace(one_step("", parameters=(ALPHA,)), triggers=triggers))
    assert backend.deployment("onestep").plan.triggers == triggers
    backend.deploy(one_step("", parameters=(ALPHA,)))
    assert backend.deployment("onestep").plan.triggers is None
