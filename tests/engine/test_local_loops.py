"""Local runs of steps that come after themselves: one iteration after the other, each a task of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from local_flows import RUN, Local, write_flow
from processes import children, descriptors, is_alive

from metaflow_hera.engine.phases import Phase
from metaflow_hera.records import logs, runs, tasks
from metaflow_hera.records.artifacts import load
from metaflow_hera.records.task import TaskStatus

ROOT = Path(__file__).parents[2]

LOOP = """
    @step
    def start(self):
        self.count = 0
        self.next(self.again)
    DECORATORS
    @step
    def again(self):
        print("iteration", self.count, "attempt", current.retry_count, os.getpid())
        BODY
        self.count += 1
        self.going = self.count < TIMES
        self.next({True: self.again, False: self.end}, condition="going")
    @step
    def end(self):
        print("counted to", self.count)
"""


def loop(tmp_path: Path, body: str = "pass", *, times: int = 4, decorators: str = "") -> Local:
    source = LOOP.replace("BODY", body).replace("TIMES", str(times)).replace("DECORATORS", decorators)
    return Local(write_flow(tmp_path, source), tmp_path / "data")


def statuses(run: Local) -> list[tuple[str, list[TaskStatus | None]]]:
    """The iterations that began, with how each attempt of theirs ended."""
    return [
        (path, [record and record.status for _, _, record in tasks.attempts(run.store, run.keys, "again", path)])
        for path in tasks.paths(run.store, run.keys, "again")
    ]


def test_each_iteration_is_heard_and_recorded_as_a_task(tmp_path: Path) -> None:
    run = loop(tmp_path)
    assert run.run(workers=1).phase is Phase.SUCCEEDED
    paths = [f"0~{number}" for number in range(4)]
    assert [task for task, _, _ in run.heard.outcomes] == ["start/0", *(f"again/{path}" for path in paths), "end/0"]
    said = [(task, line.rpartition(" ")[0]) for task, _, line in run.heard.lines]
    assert said[:-1] == [(f"again/0~{number}", f"iteration {number} attempt 0") for number in range(4)]
    pids = {line.split()[-1] for _, _, line in run.heard.lines[:-1]}
    assert len(pids) == 4
    assert run.heard.lines[-1] == ("end/0", "stdout", "counted to 4")
    assert run.heard.most == 1
    for number, path in enumerate(paths):
        record = tasks.find(run.store, run.keys, "again", path)
        assert record
        assert load(run.store, record.artifacts["count"], "count") == number + 1
        assert logs.read(run.store, run.keys.attempt("again", path, 0), "stdout").startswith(b"iteration %d" % number)


@pytest.mark.parametrize("fails", ["raise ValueError('boom')", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_retry_goes_on_with_the_iteration_that_failed(tmp_path: Path, fails: str) -> None:
    body = f"if self.count == 2 and current.retry_count == 0: {fails}"
    run = loop(tmp_path, body, decorators="@retry(times=1)")
    assert run.run().phase is Phase.SUCCEEDED
    good, bad = TaskStatus.SUCCEEDED, TaskStatus.FAILED
    assert statuses(run) == [("0~0", [good]), ("0~1", [good]), ("0~2", [bad, good]), ("0~3", [good])]


def test_a_loop_that_fails_ends_the_run_and_says_in_which_iteration(tmp_path: Path) -> None:
    run = loop(tmp_path, "if self.count == 2: raise ValueError('boom')")
    end = run.run()
    assert (end.phase, "ValueError: boom" in end.message) == (Phase.FAILED, True)
    assert run.heard.outcomes[-1][:2] == ("again/0~2", "Failed")
    assert len(statuses(run)) == 3


def test_nothing_is_left_of_a_loop_in_this_process(tmp_path: Path) -> None:
    before = descriptors(), children()
    run = loop(tmp_path, times=30)
    assert run.run().phase is Phase.SUCCEEDED
    assert (descriptors(), children()) == before


def test_loops_of_a_foreach_run_side_by_side(tmp_path: Path) -> None:
    run = Local(
        write_flow(
            tmp_path,
            """
            @step
            def start(self):
                self.xs = [10, 20, 30]
                self.next(self.again, foreach="xs")
            @step
            def again(self):
                self.y = getattr(self, "y", self.input) + 1
                self.going = "more" if self.y % 10 < self.index + 2 else "done"
                self.next({"more": self.again, "done": self.after}, condition="going")
            @step
            def after(self):
                self.next(self.join)
            @step
            def join(self, inputs):
                self.ys = [each.y for each in inputs]
                self.next(self.end)
            @step
            def end(self):
                assert self.ys == [12, 23, 34]
            """,
        ),
        tmp_path / "data",
    )
    assert run.run(workers=2).phase is Phase.SUCCEEDED
    assert [path for path, _ in statuses(run)] == [f"{item}~{n}" for item in range(3) for n in range(item + 2)]
    assert run.heard.most == 2


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from local_flows import Local
run = Local(Path(sys.argv[1]), Path(sys.argv[2]))
run.heard.printed = lambda command, stream, line: print(line, flush=True)
end = run.run()
print(end.phase.value, end.message, end.signal, flush=True)
"""


def start_program(tmp_path: Path) -> tuple[subprocess.Popen[str], int]:
    """A run in a process of its own, and that of its third iteration, which sleeps."""
    loop(tmp_path, "if self.count == 2: time.sleep(60)")
    places = (str(tmp_path / "tested_flow.py"), str(tmp_path / "data"), str(ROOT), str(ROOT / "tests/engine"))
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, *places], stdout=subprocess.PIPE, text=True)
    assert program.stdout
    line = next(line for line in program.stdout if line.startswith("iteration 2"))
    return program, int(line.split()[-1])


def family(program: subprocess.Popen[str]) -> set[int]:
    return children(program.pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_iteration_that_runs_and_the_run(tmp_path: Path, number: signal.Signals) -> None:
    program, pid = start_program(tmp_path)
    processes = {pid, *family(program)}
    program.send_signal(number)
    output, _ = program.communicate(timeout=30)
    assert output.splitlines()[-1] == f"Failed interrupted {number.value}"
    assert not any(map(is_alive, processes))
    run = Local(tmp_path / "tested_flow.py", tmp_path / "data")
    good = TaskStatus.SUCCEEDED
    assert statuses(run) == [("0~0", [good]), ("0~1", [good]), ("0~2", [TaskStatus.FAILED])]
    end = runs.read_end(run.store, run.graph.flow, RUN)
    assert end
    assert (end.status, end.message) == ("Failed", "interrupted")


def test_no_iteration_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    program, pid = start_program(tmp_path)
    processes = {pid, *family(program)}
    program.kill()
    program.communicate(timeout=10)
    until = time.monotonic() + 5
    while any(map(is_alive, processes)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_alive, processes))
    run = Local(tmp_path / "tested_flow.py", tmp_path / "data")
    good = TaskStatus.SUCCEEDED
    assert statuses(run) == [("0~0", [good]), ("0~1", [good]), ("0~2", [None])]


def test_a_run_that_was_killed_goes_on_with_the_iteration_that_ran(tmp_path: Path) -> None:
    program, _ = start_program(tmp_path)
    program.kill()
    program.communicate(timeout=10)
    run = loop(tmp_path)
    run.job = replace(run.job, done={("start", "0"): {}})
    assert run.run().phase is Phase.SUCCEEDED
    good = TaskStatus.SUCCEEDED
    assert statuses(run) == [("0~0", [good]), ("0~1", [good]), ("0~2", [None, good]), ("0~3", [good])]
