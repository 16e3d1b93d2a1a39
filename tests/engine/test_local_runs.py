"""Local runs: flows as forked children of one process."""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import numpy.random
import pytest
from local_flows import RUN, Local, write_flow
from processes import children, descriptors, is_alive

from metaflow_hera.engine.phases import Phase
from metaflow_hera.records import logs, runs, tasks
from metaflow_hera.records.task import TaskStatus

ROOT = Path(__file__).parents[2]


def local(tmp_path: Path, body: str, **options: object) -> Local:
    return Local(write_flow(tmp_path, body), tmp_path / "data", **options)


def test_a_run_ends_in_the_store_and_its_lines_are_heard(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @step
        def start(self):
            print("hello")
            print("to err", file=sys.stderr)
            sys.stdout.write("no newline")
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    assert run.run().phase is Phase.SUCCEEDED
    heard = sorted(run.heard.lines)
    assert heard == [
        ("start/0", "stderr", "to err"),
        ("start/0", "stdout", "hello"),
        ("start/0", "stdout", "no newline"),
    ]
    keys = run.keys.attempt("start", "0", 0)
    assert logs.read(run.store, keys, "stdout") == b"hello\nno newline"
    end = runs.read_end(run.store, run.graph.flow, RUN)
    assert end and end.status == "Succeeded"


def test_a_store_that_refuses_output_does_not_end_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_the_way = tmp_path / f"data/store/TestedFlow/runs/{RUN}/start/0/0/stdout.000000"
    run = local(
        tmp_path,
        f"""
        @step
        def start(self):
            os.mkdir({str(in_the_way)!r})
            print("hello")
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    assert run.run().phase is Phase.SUCCEEDED
    assert ("start/0", "stdout", "hello") in run.heard.lines
    assert "some of what was printed is not stored yet" in capsys.readouterr().err


def test_everything_printed_is_kept_and_also_what_grandchildren_print(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @step
        def start(self):
            for number in range(100_000):
                print(number)
            sys.stdout.flush()
            subprocess.run(["echo", "from a program"], check=True)
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    run.run()
    lines = [line for _, _, line in run.heard.lines]
    assert lines == [*map(str, range(100_000)), "from a program"]
    assert logs.read(run.store, run.keys.attempt("start", "0", 0), "stdout").decode().splitlines() == lines


FANNING = """
    @step
    def start(self):
        self.xs = list(range(6))
        self.next(self.body, foreach="xs")
    @step
    def body(self):
        time.sleep(0.05)
        self.y = self.input * 2
        self.next(self.join)
    @step
    def join(self, inputs):
        self.ys = [each.y for each in inputs]
        self.next(self.end)
    @step
    def end(self):
        assert self.ys == [0, 2, 4, 6, 8, 10]
"""


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_tasks_run_at_once_than_there_are_workers(tmp_path: Path, workers: int) -> None:
    run = local(tmp_path, FANNING)
    assert run.run(workers).phase is Phase.SUCCEEDED
    assert run.heard.most == workers


def test_no_more_tasks_of_a_foreach_run_at_once_than_its_limit(tmp_path: Path) -> None:
    run = local(tmp_path, FANNING, max_workers=2)
    assert run.run(workers=5).phase is Phase.SUCCEEDED
    assert run.heard.most == 2


def test_a_killed_task_is_a_failed_attempt_that_is_tried_again_at_once(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @retry(times=1, minutes_between_retries=60)
        @step
        def start(self):
            if current.retry_count == 0:
                print("last words")
                os.kill(os.getpid(), signal.SIGKILL)
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    assert run.run().phase is Phase.SUCCEEDED
    [(_, _, first), (_, _, second)] = tasks.attempts(run.store, run.keys, "start", "0")
    assert first and first.status is TaskStatus.FAILED and first.failure
    assert "killed by SIGKILL" in first.failure.text
    assert second and second.status is TaskStatus.SUCCEEDED
    assert logs.read(run.store, run.keys.attempt("start", "0", 0), "stdout") == b"last words\n"


def test_a_failed_run_says_where_and_why(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @step
        def start(self):
            raise ValueError("no good")
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    end = run.run()
    assert end.phase is Phase.FAILED
    assert "ValueError: no good" in end.message
    recorded = runs.read_end(run.store, run.graph.flow, RUN)
    assert recorded and (recorded.status, recorded.message) == ("Failed", end.message)


def test_a_task_that_exits_by_itself_is_failed(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @step
        def start(self):
            os._exit(0)
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    end = run.run()
    assert end.phase is Phase.FAILED
    assert "exit code 0 before the step was over" in end.message


def test_nothing_is_left_of_a_run_in_this_process(tmp_path: Path) -> None:
    run = local(tmp_path, FANNING)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before = descriptors(), children()
    run.run()
    assert (descriptors(), children()) == before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


SLEEPING = """
    @step
    def start(self):
        self.xs = [0, 1]
        self.next(self.body, foreach="xs")
    @step
    def body(self):
        print("sleeping", os.getpid(), flush=True)
        IGNORE
        time.sleep(60)
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
"""
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


def start_program(tmp_path: Path, ignore: str = "pass") -> tuple[subprocess.Popen[str], list[int]]:
    """A run in a process of its own, and its two tasks that sleep."""
    file = write_flow(tmp_path, SLEEPING.replace("IGNORE", ignore))
    argv = [sys.executable, "-c", PROGRAM, str(file), str(tmp_path / "data"), str(ROOT), str(ROOT / "tests/engine")]
    program = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert program.stdout
    pids = []
    while len(pids) < 2:
        word, _, pid = program.stdout.readline().partition(" ")
        assert word == "sleeping"
        pids.append(int(pid))
    return program, pids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_its_tasks(tmp_path: Path, number: signal.Signals) -> None:
    program, pids = start_program(tmp_path)
    program.send_signal(number)
    output, _ = program.communicate(timeout=30)
    assert output.splitlines()[-1] == f"Failed interrupted {number.value}"
    assert not any(map(is_alive, pids))
    run = Local(tmp_path / "tested_flow.py", tmp_path / "data")
    end = runs.read_end(run.store, run.graph.flow, RUN)
    assert end and (end.status, end.message) == ("Failed", "interrupted")
    for path in "01":
        [(_, _, record)] = tasks.attempts(run.store, run.keys, "body", path)
        assert record and record.status is TaskStatus.FAILED


def test_a_second_signal_kills_tasks_that_do_not_listen(tmp_path: Path) -> None:
    program, pids = start_program(tmp_path, ignore="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    program.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    output, _ = program.communicate(timeout=10)
    assert output.splitlines()[-1] == "Failed interrupted 2"
    assert not any(map(is_alive, pids))


def test_tasks_do_not_outlive_a_run_that_is_killed(tmp_path: Path) -> None:
    program, pids = start_program(tmp_path)
    program.kill()
    program.communicate(timeout=10)
    until = time.monotonic() + 5
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(is_alive, pids))


def test_a_listener_that_gives_up_leaves_no_task_behind(tmp_path: Path) -> None:
    run = local(tmp_path, SLEEPING.replace("IGNORE", "pass"))
    pids: list[int] = []

    def give_up(command: object, stream: str, line: str) -> None:
        pids.append(int(line.split()[1]))
        if len(pids) == 2:
            raise KeyError(line)

    run.heard.printed = give_up  # type: ignore[method-assign]
    with pytest.raises(KeyError):
        run.run()
    assert not children() & set(pids)


def test_exit_functions_and_threads_of_a_step_come_to_their_end(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @step
        def start(self):
            import atexit, threading
            atexit.register(print, "at exit")
            threading.Thread(target=lambda: (time.sleep(0.3), print("of the thread"))).start()
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    assert run.run().phase is Phase.SUCCEEDED
    assert [line for _, _, line in run.heard.lines] == ["of the thread", "at exit"]
    assert logs.read(run.store, run.keys.attempt("start", "0", 0), "stdout") == b"of the thread\nat exit\n"


def test_what_the_parent_registered_for_its_exit_is_not_run_by_tasks(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        @step
        def start(self):
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    atexit.register(cry := lambda: print("of the parent"))
    try:
        assert run.run().phase is Phase.SUCCEEDED
    finally:
        atexit.unregister(cry)
    assert run.heard.lines == []


@pytest.mark.parametrize(("seed", "different"), [("", 4), ("np.random.seed(7)", 1)])
def test_tasks_draw_different_numbers_unless_their_module_has_a_seed(tmp_path: Path, seed: str, different: int) -> None:
    file = write_flow(
        tmp_path,
        """
        @step
        def start(self):
            self.xs = list(range(4))
            self.next(self.body, foreach="xs")
        @step
        def body(self):
            print(np.random.rand())
            self.next(self.join)
        @step
        def join(self, inputs):
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    file.write_text(f"import numpy as np\nimport numpy.random\n{seed}\n{file.read_text()}")
    numpy.random.set_bit_generator(numpy.random.MT19937())  # other tests may have given it a seed
    run = Local(file, tmp_path / "data")
    assert run.run().phase is Phase.SUCCEEDED
    assert len({line for _, _, line in run.heard.lines}) == different


def test_a_constant_that_is_changed_in_place_is_told_and_stays_what_it_was(tmp_path: Path) -> None:
    run = local(
        tmp_path,
        """
        counts = {}
        names = ["a"]

        @step
        def start(self):
            self.counts["a"] = 1
            assert self.names == ["a"]
            self.next(self.end)

        @step
        def end(self):
            print(self.counts)
        """,
    )
    assert run.run().phase is Phase.SUCCEEDED
    told, seen = run.heard.lines
    assert told[:2] == ("start/0", "stderr")
    assert "step 'start' changed self.counts in place" in told[2] and "no other step sees" in told[2]
    assert seen == ("end/0", "stdout", "{}")
