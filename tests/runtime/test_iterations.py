"""A step that comes after itself, in one container: its iterations are tasks, and what is done is not done again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from containers import RUN, Deployment, Finished, deploy

from metaflow_hera.records import runs, tasks
from metaflow_hera.records.run import EndRecord
from metaflow_hera.records.task import TaskStatus
from metaflow_hera.runtime.interruption import TERMINATED
from metaflow_hera.store import Store

LOOP = """
import os, signal, sys, time

{module}

class F(FlowSpec):
    @step
    def start(self):
        self.count = 0
        self.next(self.again)

    {decorators}
    @step
    def again(self):
        print("iteration", self.count, "attempt", current.retry_count)
        {body}
        self.count += 1
        self.going = "on" if self.count < {times} else "out"
        self.next({{"on": self.again, "out": self.end}}, condition="going")

    @step
    def end(self):
        pass
"""


def deploy_loop(
    store: Store, tmp_path: Path, body: str = "pass", *, times: int = 4, module: str = "", decorators: str = ""
) -> Deployment:
    """A loop of that many iterations, each with that body, whose start has run."""
    indented = body.strip().replace("\n", "\n        ")
    source = LOOP.format(body=indented, times=times, module=module, decorators=decorators)
    deployment = deploy(store, tmp_path, source)
    done = deployment.run("start")
    assert done.code == 0, done.stderr
    return deployment


def run_loop(deployment: Deployment, **options: object) -> Finished:
    return deployment.run("again", repeats="yes", **options)


def test_an_event_of_a_loop_that_cannot_be_published_is_told_in_the_log_of_its_last_iteration(
    directory_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MFHERA_EVENTS_URL", "nonsense")
    deployment = deploy_loop(directory_store, tmp_path, times=2)
    done = run_loop(deployment, publishes=("metaflow.F.again",))
    told = "event 'metaflow.F.again': 'nonsense' is no address"
    assert (done.code, done.stderr.count(told)) == (0, 1)
    assert told in deployment.log("stderr", "again", "0~1")
    assert told not in deployment.log("stderr", "again", "0~0")


def numbers(deployment: Deployment) -> list[tuple[str, list[int]]]:
    """The iterations that began, with their attempts."""
    paths = tasks.paths(deployment.store, deployment.keys, "again")
    begun = [tasks.attempts(deployment.store, deployment.keys, "again", path) for path in paths]
    return [(path, [number for number, _, _ in each]) for path, each in zip(paths, begun, strict=True)]


def eventually(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_each_iteration_is_a_task_with_a_record_and_logs(store: Store, tmp_path: Path) -> None:
    deployment = deploy_loop(store, tmp_path)
    done = run_loop(deployment)
    assert (done.code, done.next) == (0, "end"), done.stderr
    assert done.stdout == "".join(f"iteration {number} attempt 0\n" for number in range(4))
    assert numbers(deployment) == [(f"0~{number}", [0]) for number in range(4)]
    for number in range(4):
        path = f"0~{number}"
        record = deployment.record("again", path)
        assert record.next == (("again",) if number < 3 else ("end",))
        assert record.parents == (f"again/0~{number - 1}/0" if number else "start/0/0",)
        assert deployment.artifact("again", "count", path) == number + 1
        assert deployment.log("stdout", "again", path) == f"iteration {number} attempt 0\n"
    assert deployment.run("end").code == 0
    assert deployment.record("end").parents == ("again/0~3/0",)


def test_the_flow_is_imported_twice_however_many_iterations_there_are(directory_store: Store, tmp_path: Path) -> None:
    imports = tmp_path / "imports"
    module = f"open({str(imports)!r}, 'a').write('x'); print('importing')"
    deployment = deploy_loop(directory_store, tmp_path, times=6, module=module)
    imports.unlink()
    assert run_loop(deployment).stdout.count("importing") == 1
    assert imports.read_text() == "xx"
    assert deployment.log("stdout", "again", "0~0").startswith("importing\n")
    assert deployment.log("stdout", "again", "0~1") == "iteration 1 attempt 0\n"


def test_a_flow_that_can_be_imported_only_once_repeats_all_the_same(directory_store: Store, tmp_path: Path) -> None:
    module = "if os.environ.get('supervisor') == str(os.getpid()): raise ImportError('not here')"
    deployment = deploy_loop(directory_store, tmp_path, times=3, module=module)
    command = deployment.command("again", repeats="yes")
    before = "import os; os.environ['supervisor'] = str(os.getpid()); "
    done = deployment.end(deployment.begin(command, before=before))
    assert (done.code, done.next) == (0, "end"), done.stderr
    assert len(numbers(deployment)) == 3


@pytest.mark.parametrize(
    ("fails", "told", "number"),
    [("raise ValueError('boom')", "boom", 2), ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL", 0)],
)
def test_a_retry_goes_on_with_the_iteration_that_failed(
    directory_store: Store, tmp_path: Path, fails: str, told: str, number: int
) -> None:
    deployment = deploy_loop(
        directory_store, tmp_path, f"if self.count == {number} and current.retry_count == 0: {fails}"
    )
    first = run_loop(deployment, retries=1)
    assert (first.code, first.next) == (1, "")
    failed = deployment.record("again", f"0~{number}")
    assert failed.status is TaskStatus.FAILED
    assert failed.failure is not None
    assert told in failed.failure.text
    assert told in deployment.log("stderr", "again", f"0~{number}")
    second = run_loop(deployment, attempt=1, retries=1)
    assert (second.code, second.next) == (0, "end"), second.stderr
    assert second.stdout.splitlines()[0] == f"iteration {number} attempt 1"
    expected = [(f"0~{each}", [0, 1] if each == number else [0]) for each in range(4)]
    assert numbers(deployment) == expected


def test_a_container_that_was_killed_is_followed_by_the_iteration_that_ran(
    directory_store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "here"
    body = f"if self.count == 2 and current.retry_count == 0:\n    open({str(file)!r}, 'w').close(); time.sleep(60)"
    deployment = deploy_loop(directory_store, tmp_path, body)
    process = deployment.begin(deployment.command("again", repeats="yes"))
    eventually(file.exists)
    process.kill()
    deployment.end(process)
    runs.end(directory_store, "F", RUN, EndRecord(status=runs.FAILED, finished=1.0, message="as the exit says"))
    assert run_loop(deployment).code == 0
    assert numbers(deployment) == [("0~0", [0]), ("0~1", [0]), ("0~2", [0, 1]), ("0~3", [0])]
    assert runs.read_end(directory_store, "F", RUN) is None


def test_a_loop_that_is_done_is_not_done_again(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy_loop(directory_store, tmp_path)
    run_loop(deployment)
    again = run_loop(deployment, attempt=1)
    assert (again.code, again.stdout, again.next) == (0, "", "end")
    assert numbers(deployment) == [(f"0~{number}", [0]) for number in range(4)]


def test_a_loop_that_was_killed_between_two_iterations_goes_on(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy_loop(directory_store, tmp_path)
    run_loop(deployment)
    left = tmp_path / "store/F/runs" / RUN / "again"
    for path in ("0~2", "0~3"):
        (left / path).rename(tmp_path / path)
    runs.end(directory_store, "F", RUN, EndRecord(status=runs.FAILED, finished=1.0, message="as the exit says"))
    assert run_loop(deployment).stdout == "iteration 2 attempt 0\niteration 3 attempt 0\n"
    assert runs.read_end(directory_store, "F", RUN) is None


def test_sigterm_ends_the_iteration_that_runs_and_the_loop(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "here"
    deployment = deploy_loop(
        directory_store, tmp_path, f"if self.count == 1: open({str(file)!r}, 'w').close(); time.sleep(60)"
    )
    process = deployment.begin(deployment.command("again", repeats="yes"))
    eventually(file.exists)
    process.terminate()
    assert deployment.end(process).code == 1
    failure = deployment.record("again", "0~1").failure
    assert failure is not None
    assert failure.text == TERMINATED
    assert len(numbers(deployment)) == 2
    end = runs.read_end(directory_store, "F", RUN)
    assert end is not None
    assert "step 'again'" in end.message


def test_sigterm_between_two_iterations_ends_the_loop(directory_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "done"
    slow = f"if os.path.exists({str(file)!r}): os.rename({str(file)!r}, {str(file) + '2'!r}); time.sleep(0.5)"
    body = f"if self.count == 0: open({str(file)!r}, 'w').close()"
    deployment = deploy_loop(directory_store, tmp_path, body, module=slow)
    process = deployment.begin(deployment.command("again", repeats="yes"))
    eventually(Path(f"{file}2").exists)
    process.terminate()
    assert deployment.end(process).code == 1
    assert numbers(deployment) == [("0~0", [0])]
    assert deployment.record("again", "0~0").status is TaskStatus.SUCCEEDED
    assert TERMINATED in (process.pod / "termination-log").read_text()  # type: ignore[attr-defined]


def test_a_time_limit_is_that_of_one_iteration(directory_store: Store, tmp_path: Path) -> None:
    body = "time.sleep(0.4 if self.count < 3 else 5)"
    deployment = deploy_loop(directory_store, tmp_path, body, decorators="@timeout(seconds=1)")
    assert run_loop(deployment).code == 1
    assert [deployment.record("again", f"0~{number}").status for number in range(4)] == [
        *[TaskStatus.SUCCEEDED] * 3,
        TaskStatus.FAILED,
    ]


def test_iterations_draw_different_numbers_unless_the_module_says_otherwise(
    directory_store: Store, tmp_path: Path
) -> None:
    body = "import random; self.drawn = (random.random(), float(numpy.random.rand()))"
    deployment = deploy_loop(directory_store, tmp_path, body, times=5, module="import numpy")
    run_loop(deployment)
    drawn = [deployment.artifact("again", "drawn", f"0~{number}") for number in range(5)]
    for column in zip(*drawn, strict=True):
        assert len(set(column)) == 5


def test_a_seed_of_the_module_holds_in_every_iteration(directory_store: Store, tmp_path: Path) -> None:
    body = "self.drawn = float(numpy.random.rand())"
    deployment = deploy_loop(directory_store, tmp_path, body, times=3, module="import numpy; numpy.random.seed(1)")
    run_loop(deployment)
    assert len({deployment.artifact("again", "drawn", f"0~{number}") for number in range(3)}) == 1


def test_loops_of_a_foreach_know_their_own_iterations(directory_store: Store, tmp_path: Path) -> None:
    source = """
class F(FlowSpec):
    @step
    def start(self):
        self.xs = [1, 11]
        self.next(self.again, foreach="xs")

    @step
    def again(self):
        self.y = getattr(self, "y", self.input) + 1
        self.going = self.y < self.input + 3
        self.next({True: self.again, False: self.join}, condition="going")

    @step
    def join(self, inputs):
        self.ys = [each.y for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""
    deployment = deploy(directory_store, tmp_path, source)
    deployment.run("start")
    for path in "01":
        done = deployment.run("again", path, repeats="yes")
        assert done.code == 0, done.stderr
    assert [path for path, _ in numbers(deployment)] == [f"{item}~{number}" for item in "01" for number in range(3)]
    assert deployment.run("join").code == 0
    assert deployment.artifact("join", "ys") == [4, 14]


def test_a_process_that_an_iteration_leaves_behind_does_not_hold_up_the_next(
    directory_store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    body = f"""
if self.count == 0:
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    open({str(file)!r}, "w").write(str(pid))
"""
    deployment = deploy_loop(directory_store, tmp_path, body, times=3)
    started = time.monotonic()
    assert run_loop(deployment).code == 0
    assert time.monotonic() - started < 30
    os.kill(int(file.read_text()), signal.SIGKILL)
