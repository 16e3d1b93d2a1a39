"""The embedded engine between deaths: of itself, of its pods, of their supervisors."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from backend_plans import ALPHA, one_step, wait_for, wide

from metaflow_hera.backends import Phase
from metaflow_hera.backends.embedded import NO_ENGINE, STARTING, EmbeddedBackend, not_honoured
from metaflow_hera.backends.engine import read_plan
from metaflow_hera.backends.engine_control import engine_status, home_of, start_engine, stop_engine
from metaflow_hera.engine.daemon import Engine, Limits
from metaflow_hera.engine.stored import StoredRun
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import BackendError, EngineError
from metaflow_hera.plan.records import Retry, Schedule
from metaflow_hera.settings import Settings

NOTE = """
import time
def note(word):
    with open({seen!r}, "a") as file:
        file.write(f"{{word}} {{sys.argv[1]}} {{sys.argv[2]}} {{os.getpid()}}\\n")
"""


@pytest.fixture
def backend(embedded_settings: Settings) -> EmbeddedBackend:
    return EmbeddedBackend(embedded_settings)


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    file = tmp_path / "seen"
    file.touch()
    return file


def code(seen: Path, body: str) -> str:
    return NOTE.format(seen=str(seen)) + body


def noted(seen: Path, word: str) -> Counter[tuple[str, str]]:
    """How often each index and attempt wrote *word*."""
    lines = (line.split() for line in seen.read_text().splitlines())
    return Counter((index, attempt) for said, index, attempt, _ in lines if said == word)


def kill_engine(settings: Settings) -> None:
    pid = engine_status(settings).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: engine_status(settings).pid is None)


def last(backend: EmbeddedBackend, run: str) -> Phase:
    *_, status = backend.watch(run)
    return status.phase


def test_a_killed_engine_goes_on_without_repeating_anything(
    backend: EmbeddedBackend, embedded_settings: Settings, seen: Path
) -> None:
    body = """
note("begin")
time.sleep(0.1)
if int(sys.argv[1]) % 3 == 0 and sys.argv[2] == "0":
    sys.exit(1)
note("end")
"""
    backend.deploy(wide(code(seen, body), 20, retry=Retry(limit=2)))
    run = backend.trigger("wide", {})
    for done in (3, 8, 14):
        wait_for(lambda done=done: len(noted(seen, "end")) >= done)
        kill_engine(embedded_settings)
        start_engine(embedded_settings)
    assert last(backend, run) is Phase.SUCCEEDED
    indexes = [str(index) for index in range(20)]
    assert noted(seen, "end") == {(index, "1" if int(index) % 3 == 0 else "0"): 1 for index in indexes}
    assert set(noted(seen, "begin").values()) == {1}, "no attempt ran twice"


def test_pods_go_on_while_there_is_no_engine_and_are_adopted(
    backend: EmbeddedBackend, embedded_settings: Settings, seen: Path
) -> None:
    backend.deploy(wide(code(seen, "note('begin'); time.sleep(0.5); note('end')"), 2))
    run = backend.trigger("wide", {})
    wait_for(lambda: len(noted(seen, "begin")) == 2)
    kill_engine(embedded_settings)
    wait_for(lambda: len(noted(seen, "end")) == 2)
    start_engine(embedded_settings)
    assert last(backend, run) is Phase.SUCCEEDED
    assert noted(seen, "begin") == {("0", "0"): 1, ("1", "0"): 1}


def test_an_adopted_pod_is_collected_when_it_ends(
    backend: EmbeddedBackend, embedded_settings: Settings, seen: Path
) -> None:
    backend.deploy(wide(code(seen, "note('begin'); time.sleep(3); note('end')"), 2))
    run = backend.trigger("wide", {})
    wait_for(lambda: len(noted(seen, "begin")) == 2)
    kill_engine(embedded_settings)
    start_engine(embedded_settings)
    assert not noted(seen, "end")
    assert last(backend, run) is Phase.SUCCEEDED
    assert noted(seen, "begin") == {("0", "0"): 1, ("1", "0"): 1}


def test_a_run_that_is_tried_again_survives_its_engine_and_repeats_nothing_that_succeeded(
    backend: EmbeddedBackend, embedded_settings: Settings, seen: Path
) -> None:
    body = f"""
note("begin")
mended = os.path.exists({str(seen)!r} + ".mended")
if sys.argv[1] == "1" and not mended:
    sys.exit(1)
if mended:
    time.sleep(1)
note("end")
"""
    backend.deploy(wide(code(seen, body), 4, parallelism=1))
    run = backend.trigger("wide", {})
    assert last(backend, run) is Phase.FAILED
    assert noted(seen, "end") == {(index, "0"): 1 for index in "023"}
    stop_engine(embedded_settings)
    Path(f"{seen}.mended").touch()
    backend.retry(run)
    wait_for(lambda: noted(seen, "begin")["1", "0"] == 2)
    kill_engine(embedded_settings)
    start_engine(embedded_settings)
    assert last(backend, run) is Phase.SUCCEEDED
    assert noted(seen, "end") == {(index, "0"): 1 for index in "0123"}
    assert noted(seen, "begin") == {("0", "0"): 1, ("1", "0"): 2, ("2", "0"): 1, ("3", "0"): 1}


def test_a_suspended_run_stays_so_when_its_engine_dies(
    backend: EmbeddedBackend, embedded_settings: Settings, seen: Path
) -> None:
    backend.deploy(wide(code(seen, "note('begin'); time.sleep(0.5)"), 2, parallelism=1))
    run = backend.trigger("wide", {})
    wait_for(lambda: noted(seen, "begin"))
    backend.suspend(run)
    kill_engine(embedded_settings)
    start_engine(embedded_settings)
    wait_for(lambda: [node.phase for node in backend.run(run).nodes if node.step == "x"] == [Phase.SUCCEEDED])
    time.sleep(1)
    assert noted(seen, "begin") == {("0", "0"): 1}
    backend.unsuspend(run)
    assert last(backend, run) is Phase.SUCCEEDED


def test_a_killed_command_is_a_failed_attempt_and_tried_again(backend: EmbeddedBackend, seen: Path) -> None:
    body = """
note("begin")
if sys.argv[2] == "0":
    os.kill(os.getpid(), 9)
"""
    backend.deploy(wide(code(seen, body), 2, retry=Retry(limit=1)))
    run = backend.trigger("wide", {})
    assert last(backend, run) is Phase.SUCCEEDED
    assert noted(seen, "begin") == {(index, attempt): 1 for index in "01" for attempt in "01"}
    assert sorted(node.attempts for node in backend.run(run).nodes) == [1, 1, 2, 2]


def test_a_killed_command_without_retries_fails_the_run_with_argos_words(backend: EmbeddedBackend) -> None:
    backend.deploy(one_step("os.kill(os.getpid(), 9)"))
    run = backend.trigger("onestep", {})
    assert last(backend, run) is Phase.FAILED
    assert "main: Error (exit code 137)" in backend.run(run).message


def test_a_pod_whose_supervisor_died_is_started_again_as_the_same_attempt_and_never_twice_at_once(
    backend: EmbeddedBackend, embedded_settings: Settings, seen: Path
) -> None:
    backend.deploy(wide(code(seen, "note('begin'); time.sleep(1); note('end')"), 1, retry=Retry(limit=2)))
    run = backend.trigger("wide", {})
    wait_for(lambda: noted(seen, "begin"))
    [lock] = home_of(embedded_settings).pods.glob("*/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    assert last(backend, run) is Phase.SUCCEEDED
    assert noted(seen, "begin") == {("0", "0"): 2}
    assert noted(seen, "end") == {("0", "0"): 1}


def test_a_task_that_waits_for_its_retry_is_pending(backend: EmbeddedBackend) -> None:
    backend.deploy(one_step("sys.exit(1)", retry=Retry(limit=1, backoff=60)))
    run = backend.trigger("onestep", {})
    wait_for(lambda: backend.run(run).nodes and backend.run(run).nodes[0].phase is not Phase.RUNNING)
    [node] = backend.run(run).nodes
    assert (node.phase, node.attempts) == (Phase.PENDING, 1)
    assert "waits to be tried again" in node.message
    backend.terminate(run)
    assert last(backend, run) is Phase.FAILED


def test_a_pod_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path, embedded_settings: Settings) -> None:
    backend, begun = EmbeddedBackend(embedded_settings), tmp_path / "begun"
    ignoring = (
        f"import signal, time; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"
    )
    backend.deploy(one_step(ignoring))
    home = home_of(embedded_settings)
    with closing(TriggeringState.open(home.database)) as state:
        engine = Engine(home, state, read_plan, Limits(grace=0.2))
        run = stored_run(state, backend)
        engine.turn(time.time())
        wait_for(begun.exists)
        state.request_termination(run)
        wait_for(lambda: (engine.turn(time.time()), engine.is_idle)[1])
        ended = state.run(run)
    assert ended and ended.phase is Phase.FAILED


def stored_run(state: TriggeringState, backend: EmbeddedBackend) -> str:
    """A run that is triggered without starting an engine."""
    deployment = state.deployment("onestep")
    assert deployment
    run = StoredRun(
        workflow="onestep-1", deployment="onestep", flow="F", manifest=deployment.manifest, created=time.time()
    )
    assert state.add_run(run)
    return run.workflow


def test_a_run_without_an_engine_says_so(backend: EmbeddedBackend, embedded_settings: Settings) -> None:
    backend.deploy(one_step("import time; time.sleep(30)"))
    run = backend.trigger("onestep", {})
    wait_for(lambda: backend.run(run).phase is Phase.RUNNING)
    kill_engine(embedded_settings)
    with closing(TriggeringState.open(home_of(embedded_settings).database)) as state, state._change():
        state._execute("update runs set created = created - ?", STARTING)
    status = backend.run(run)
    assert (status.phase, status.message) == (Phase.RUNNING, NO_ENGINE)
    backend.terminate(run)
    assert last(backend, run) is Phase.FAILED, "to terminate starts the engine that does it"


def test_the_engine_starts_on_demand_and_once(backend: EmbeddedBackend, embedded_settings: Settings) -> None:
    assert engine_status(embedded_settings).pid is None
    backend.deploy(one_step(""))
    assert engine_status(embedded_settings).pid is None, "a deployment without a schedule needs none"
    for _ in range(3):
        backend.trigger("onestep", {})
    pid = start_engine(embedded_settings).pid
    assert pid
    assert start_engine(embedded_settings).pid == pid
    wait_for(lambda: engine_status(embedded_settings).unfinished_runs == 0)
    assert stop_engine(embedded_settings).pid is None
    assert stop_engine(embedded_settings).pid is None
    assert engine_status(embedded_settings).log.read_text().count("the engine runs") == 1


def test_looking_writes_nothing(backend: EmbeddedBackend, embedded_settings: Settings) -> None:
    assert list(backend.runs()) == []
    assert list(backend.deployments()) == []
    assert engine_status(embedded_settings).unfinished_runs == 0
    assert not Path(embedded_settings.data_dir).exists()


def test_a_database_of_another_version_is_refused(backend: EmbeddedBackend, embedded_settings: Settings) -> None:
    backend.deploy(one_step(""))
    with closing(TriggeringState.open(home_of(embedded_settings).database)) as state:
        state._execute("pragma user_version = 99")
    with pytest.raises(EngineError, match="schema is 99"):
        list(backend.runs())


def test_a_file_that_is_no_database_is_named(backend: EmbeddedBackend, embedded_settings: Settings) -> None:
    file = home_of(embedded_settings).database
    file.parent.mkdir(parents=True)
    file.write_text("not a database, but as long as the header of one would be " * 5)
    with pytest.raises(EngineError, match=r"state.sqlite3, .* cannot be used: file is not a database"):
        list(backend.runs())


@pytest.mark.parametrize("schedule", [Schedule(cron="0 10 * *"), Schedule(cron="0 10 * * *", timezone="Mars/Base")])
def test_a_schedule_that_cannot_be_is_refused_before_anything_is_deployed(
    backend: EmbeddedBackend, schedule: Schedule
) -> None:
    with pytest.raises(BackendError):
        backend.deploy(replace(one_step(""), schedule=schedule))
    assert list(backend.deployments()) == []


def test_a_schedule_fires_with_the_parameters_defaults(backend: EmbeddedBackend, embedded_settings: Settings) -> None:
    backend.deploy(replace(one_step("", parameters=(ALPHA,)), schedule=Schedule(cron="* * * * *")))
    with closing(TriggeringState.open(home_of(embedded_settings).database)) as state, state._change():
        state._execute("update deployments set created = created - 120")  # as if the engine had been away
    start_engine(embedded_settings)
    home_of(embedded_settings).wake()
    wait_for(lambda: any(run.phase.is_final for run in backend.runs()))
    run = list(backend.runs())[-1]
    assert (run.phase, run.parameters) == (Phase.SUCCEEDED, {"alpha": "0.5"})
    minute = int(run.run.removeprefix("argo-onestep-"))
    assert minute % 60 == 0
    assert 0 <= time.time() - minute < 120


def test_what_this_machine_cannot_honour_is_listed_once() -> None:
    plan = one_step("", image_pull_policy="Always")
    start = replace(plan.templates[1], image="img:1", limits={"nvidia.com/gpu": "1"}, node_selector={"a": "b"})
    other = replace(start, name="other")
    asked = not_honoured(replace(plan, templates=(plan.templates[0], start, other)))
    assert asked == (
        "image img:1 (of start, other)",
        "resources (of start, other)",
        "node selector (of start, other)",
    )
