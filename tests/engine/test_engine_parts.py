"""The parts of the engine, each alone: its database, its home, its pods."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from engine_plans import chain as chain_of
from engine_plans import container, fan_out, plan

from metaflow_hera.engine import pods
from metaflow_hera.engine.daemon import Engine
from metaflow_hera.engine.home import Home
from metaflow_hera.engine.journal import Ended, Journal, ShutDown
from metaflow_hera.engine.phases import Phase, Shutdown
from metaflow_hera.engine.pod import Pod, PodOutcome
from metaflow_hera.engine.pods import Machine, PodState
from metaflow_hera.engine.scheduler import Scheduler
from metaflow_hera.engine.schema import SCHEMA
from metaflow_hera.engine.state import State
from metaflow_hera.engine.stored import Controls, StoredRun
from metaflow_hera.engine.triggering import TriggeringState
from metaflow_hera.errors import EngineError
from metaflow_hera.plan.records import Container, Retry

ROOT = Path(__file__).parents[2]


def pod(template: Container, *args: str) -> Pod:
    return Pod(name="wf.a", node="wf.a", template=template, args=args)


def python(code: str, **fields: object) -> Container:
    made = container("x", **fields)
    return Container(**{**{name: getattr(made, name) for name in made.__slots__}, "command": ("python", "-c", code)})


def machine(folder: Path, grace: float) -> Machine:
    return Machine(wake=folder.parent / "no-fifo", events=folder.parent / "events", grace=grace)


def run_pod(folder: Path, template: Container, *args: str, grace: float = 30.0, parameters: bytes = b"") -> PodOutcome:
    pods.start(folder, pod(template, *args), parameters, machine(folder, grace))
    while pods.state(folder) is PodState.RUNNING:
        time.sleep(0.005)
    os.waitpid(-1, 0)
    assert pods.state(folder) is PodState.ENDED
    return pods.outcome(folder, template)


def test_a_pod_has_its_own_directory_and_leaves_its_outputs_less_one_newline(tmp_path: Path) -> None:
    code = """
import os, pathlib
pod = pathlib.Path(os.environ["MFHERA_POD_DIR"])
assert pod == pathlib.Path.cwd()
(pod / "out/splits").write_text("3\\n\\n")
(pod / "out/next").write_text("")
print("printed")
"""
    outputs = (("splits", "out/splits"), ("next", "out/next"))
    outcome = run_pod(tmp_path / "pod", python(code, outputs=outputs))
    assert outcome == PodOutcome(phase=Phase.SUCCEEDED, outputs={"splits": "3\n", "next": ""})
    assert (tmp_path / "pod/log").read_text() == "printed\n"


def test_a_pod_gets_its_arguments_and_environment_as_they_are(tmp_path: Path) -> None:
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['HOSTILE']]))"
    hostile = "$(HOME) `id` {{x}} \"'\\ \n ü"
    run_pod(tmp_path / "pod", python(code, env={"HOSTILE": hostile}), hostile, "")
    assert json.loads((tmp_path / "pod/log").read_text()) == [[hostile, ""], hostile]


def test_the_parameters_file_is_what_argo_writes(tmp_path: Path) -> None:
    written = pods.parameters_file({"a": "ü", "b": ""})
    assert json.loads(base64.b64decode(written)) == [{"name": "a", "value": "ü"}, {"name": "b", "value": ""}]
    code = "import sys; sys.stdout.write(open('parameters').read())"
    run_pod(tmp_path / "pod", python(code, parameters_file="parameters"), parameters=written)
    assert (tmp_path / "pod/log").read_bytes() == written


def test_a_pod_past_its_deadline_gets_sigterm_and_after_its_grace_sigkill(tmp_path: Path) -> None:
    code = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("got it", flush=True))
while True: time.sleep(1)
"""
    outcome = run_pod(tmp_path / "pod", python(code, deadline=1), grace=0.2)
    assert outcome.phase is Phase.FAILED
    assert "deadline" in outcome.message
    assert (tmp_path / "pod/log").read_text() == "got it\n"


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
    run_pod(tmp_path / "pod", python(code))
    left = int((tmp_path / "pod/log").read_text())
    until = time.monotonic() + 5
    while is_running(left) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_running(left)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_pod_holds_nothing_open_of_the_process_that_started_it(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as opened:
        os.set_inheritable(opened.fileno(), True)
        code = f"import os; print({opened.fileno()} in map(int, os.listdir('/proc/self/fd')))"
        run_pod(tmp_path / "pod", python(code))
    assert (tmp_path / "pod/log").read_text() == "False\n"


def test_a_folder_without_a_pod_is_gone(tmp_path: Path) -> None:
    assert pods.state(tmp_path / "nothing") is PodState.GONE


def run_named(workflow: str) -> StoredRun:
    return StoredRun(workflow=workflow, deployment="wf", flow="F", manifest="{}", created=1.0)


def test_a_run_keeps_the_manifest_that_it_was_triggered_with(tmp_path: Path) -> None:
    with closing(State.open(tmp_path / "state")) as state:
        assert [state.deploy("wf", text, 0.0) for text in ("one", "two", "one")] == [1, 2, 3]
        assert state.add_run(StoredRun(workflow="a", deployment="wf", flow="F", manifest="two", created=1.0))
        state.delete("wf")
        run = state.run("a")
        assert run and run.manifest == "two"


def test_a_name_is_given_to_one_run_only(tmp_path: Path) -> None:
    with closing(State.open(tmp_path / "state")) as state:
        assert state.add_run(run_named("a"))
        assert not state.add_run(run_named("a"))
        assert [run.workflow for run in state.runs()] == ["a"]


def test_events_come_back_in_order(tmp_path: Path) -> None:
    ended = Ended(pod="p", outcome=PodOutcome(phase=Phase.FAILED, outputs={"a": "\x00ü"}, message="m"), at=2.5)
    with closing(State.open(tmp_path / "state")) as state:
        state.add_run(run_named("a"))
        state.end_pod(1, ended.pod, ended.outcome, ended.at)
        state.add_shutdown(1, Shutdown.STOP, 3.0)
        assert state.events(1) == [ended, ShutDown(how=Shutdown.STOP, at=3.0)]


def test_a_retry_keeps_what_succeeded_with_its_attempts_and_forgets_the_rest(tmp_path: Path) -> None:
    def pod(node: str, attempt: int) -> Pod:
        return Pod(name=f"{node}({attempt})", node=node, template=container("x"), args=(), attempt=attempt)

    bad, good = PodOutcome(phase=Phase.FAILED), PodOutcome(phase=Phase.SUCCEEDED)
    exit_node = "a.onExit[0].finish"
    with closing(State.open(tmp_path / "state")) as state:
        state.add_run(run_named("a"))
        assert not state.retry("a"), "it has not ended"
        for node, attempt, outcome in (
            ("x", 0, bad),
            ("x", 1, good),
            ("y", 0, bad),
            ("y", 1, bad),
            (exit_node, 0, good),
        ):
            state.add_pod(1, pod(node, attempt), 1.0)
            state.end_pod(1, f"{node}({attempt})", outcome, 2.0)
        state.end_pod(1, "z(0)", bad, 2.0)
        state.request_stop("a")
        state.add_shutdown(1, Shutdown.STOP, 3.0)
        state.end_run(1, Phase.FAILED, "stopped", 4.0)
        assert (state.unfinished(), state.controls()) == ([], {})
        assert state.retry("a")
        assert not state.retry("a")
        assert [each.name for each in state.pods(1)] == ["x(0)", "x(1)"]
        events = state.events(1)
        assert events == [Ended(pod=f"x({n})", outcome=how, at=2.0, is_known=True) for n, how in enumerate((bad, good))]
        [run] = state.unfinished()
        assert (run.phase, run.message, run.started, run.finished, run.is_stopped) == (
            Phase.PENDING,
            "",
            None,
            None,
            False,
        )
        assert state.unfinished(besides=[1]) == []
        state.end_run(1, Phase.SUCCEEDED, "", 5.0)
        assert not state.retry("a"), "it succeeded"


def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state")) as old:
        old.executescript(SCHEMA[0])
        old.execute("insert into manifests values ('d', 'text')")
        old.execute(
            "insert into runs (workflow, deployment, flow, digest, parameters, created, phase, is_terminated) "
            "values ('a', 'wf', 'F', 'd', '{}', 1, 'Running', 1)"
        )
        old.execute("insert into events (run, message, at) values (1, 'terminated', 2)")
        old.execute("pragma user_version = 1")
        old.commit()
    with closing(State.open(tmp_path / "state")) as state:
        assert state.events(1) == [ShutDown(how=Shutdown.TERMINATE, at=2.0)]
        assert state.controls() == {1: Controls(is_terminated=True, is_stopped=False, is_suspended=False)}


def test_many_writers_take_turns(tmp_path: Path) -> None:
    def write(name: str) -> None:
        with closing(State.open(tmp_path / "state")) as state:
            for number in range(20):
                assert state.add_run(run_named(f"{name}-{number}"))

    State.open(tmp_path / "state").close()
    threads = [threading.Thread(target=write, args=(str(number),)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(State.open(tmp_path / "state")) as state:
        assert len(state.unfinished()) == 100


def test_a_journal_that_does_not_fit_its_plan_is_told() -> None:
    scheduler = Scheduler(plan(chain_of("a"), container("x")), "wf", started=0.0)
    event = Ended(pod="wf.other", outcome=PodOutcome(phase=Phase.SUCCEEDED), at=1.0)
    with pytest.raises(EngineError, match=r"wf\.other"):
        Journal([event]).replay(scheduler)


def test_a_clock_that_was_set_back_does_not_break_a_replay() -> None:
    scheduler = Scheduler(fan_out("1", retry=Retry(limit=1, backoff=60)), "wf", started=0.0)
    failed = PodOutcome(phase=Phase.FAILED)
    first, second = ("wf.wrap.x(0:0)(0)", 100.0), ("wf.wrap.x(0:0)(1)", 20.0)
    Journal([Ended(pod=name, outcome=failed, at=at) for name, at in (first, second)]).replay(scheduler)
    assert scheduler.phase is Phase.FAILED


def test_one_engine_has_a_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    home.make()
    assert home.engine_pid() is None
    lock = home.take()
    assert lock is not None
    assert home.engine_pid() == os.getpid()
    assert home.take() is None
    os.close(lock)
    assert home.engine_pid() is None


def test_a_home_ignores_itself_in_git(tmp_path: Path) -> None:
    Home(tmp_path / "data").make()
    assert (tmp_path / "data/.gitignore").read_text() == "*\n"


def test_a_data_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"data directory .*/file/data cannot be used"):
        Home(tmp_path / "file/data").make()


def test_a_run_whose_pods_cannot_be_started_ends(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    home.make()
    home.pods.write_text("a file where the folders of pods belong")
    run = plan(chain_of("a"), container("x"), container("bye"), on_exit="bye")
    with closing(TriggeringState.open(home.database)) as state:
        state.add_run(run_named("wf-1"))
        engine = Engine(home, state, lambda _: run)
        engine.turn(1.0)
        [stored] = state.runs()
        assert stored.phase is Phase.ERROR
        assert stored.message.startswith("wf-1.a: the pod could not be started: [Errno 20]")
        assert engine.is_idle


SERVE = """
import sys
from pathlib import Path
from metaflow_hera.engine.daemon import Limits, serve
from metaflow_hera.engine.home import Home
serve(Home(Path(sys.argv[1])), None, Limits(idle=float(sys.argv[2])))
"""


def test_an_engine_without_anything_to_do_ends_after_a_while_and_uses_no_processor(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", SERVE, str(tmp_path / "data"), "1.0"]
    program = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
    _, status, usage = os.wait4(program.pid, 0)
    program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0
    assert usage.ru_nvcsw < 200, "it slept in between"


def test_an_engine_whose_data_directory_is_removed_ends(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    argv = [sys.executable, "-c", SERVE, str(home.data_dir), "60"]
    program = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while home.engine_pid() is None:
        time.sleep(0.01)
    fifo = os.open(home.wake_fifo, os.O_WRONLY)
    shutil.rmtree(home.data_dir)
    os.write(fifo, b"c")
    os.close(fifo)
    assert program.wait(timeout=10) == 0


def test_a_database_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite3"
    file.write_text("no database at all, " * 100)
    with pytest.raises(EngineError, match=r"state.sqlite3.* cannot be used: .*; move it away and deploy again"):
        State.open(file)


def test_runs_are_found_by_their_deployment(tmp_path: Path) -> None:
    with closing(State.open(tmp_path / "state.sqlite3")) as state:
        assert list(state.runs("a")) == []


def test_a_folder_in_which_no_engine_can_start_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "data")
    home.make()
    (home.folder / "starting").mkdir()  # nobody may open it for writing, whoever runs the test
    with pytest.raises(EngineError, match=f"the data directory {tmp_path}/data cannot be used: .*MFHERA_DATA_DIR"):
        home.reserve_start()
