"""Local runs of gangs: tasks that run at the same time, know each other, and end together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from local_flows import RUN, Local, write_flow
from processes import children, is_alive

from metaflow_hera.engine.phases import Phase
from metaflow_hera.records import runs, tasks
from metaflow_hera.records.artifacts import load
from metaflow_hera.records.task import TaskRecord, TaskStatus

ROOT = Path(__file__).parents[2]

MEET = """
def meet(folder, count):
    "Wait until so many tasks have come here."
    open(f"{folder}/{os.getpid()}", "w").close()
    until = time.monotonic() + 20
    while len(os.listdir(folder)) < count:
        assert time.monotonic() < until, "the others do not come"
        time.sleep(0.01)
"""

GANG = """
    @step
    def start(self):
        self.next(self.train, num_parallel=4)
    DECORATORS
    @parallel
    @step
    def train(self):
        self.parallel = tuple(current.parallel)
        self.place = (self.input, self.index, current.is_parallel)
        BODY
        self.next(self.join)
    @step
    def join(self, inputs):
        self.all = [each.parallel for each in inputs]
        self.places = [each.place for each in inputs]
        self.next(self.end)
    @step
    def end(self):
        assert not current.is_parallel
"""


def gang(tmp_path: Path, body: str, decorators: str = "") -> Local:
    file = write_flow(tmp_path, GANG.replace("BODY", body).replace("DECORATORS", decorators))
    return Local(with_meeting(file), tmp_path / "data")


def with_meeting(file: Path) -> Path:
    head, line, rest = file.read_text().partition("\nclass ")
    file.write_text(f"from metaflow_hera import parallel\n{head}{MEET}\n{line}{rest}")
    return file


def meeting(tmp_path: Path, name: str = "meeting") -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def artifact(run: Local, step: str, name: str) -> object:
    record = tasks.find(run.store, run.keys, step, "0")
    assert record
    return load(run.store, record.artifacts[name], name)


def attempts(run: Local) -> list[list[TaskRecord]]:
    found = [tasks.attempts(run.store, run.keys, "train", str(node)) for node in range(4)]
    return [[record for _, _, record in each if record] for each in found]


def test_all_tasks_of_a_gang_run_at_once_and_know_each_other(tmp_path: Path) -> None:
    run = gang(tmp_path, f"meet({str(meeting(tmp_path))!r}, 4)")
    assert run.run(workers=1).phase is Phase.SUCCEEDED
    assert artifact(run, "join", "all") == [("127.0.0.1", 4, node, "0") for node in range(4)]
    assert artifact(run, "join", "places") == [(node, node, True) for node in range(4)]
    for node, [record] in enumerate(attempts(run)):
        (frame,) = record.frames
        assert (frame.step, frame.over, frame.index, frame.count) == ("start", "", node, 4)


def test_if_one_fails_the_others_end_and_say_why(tmp_path: Path) -> None:
    body = f"""meet({str(meeting(tmp_path))!r}, 4)
        if self.index == 2: raise ValueError("boom")
        time.sleep(60)"""
    run = gang(tmp_path, body)
    end = run.run()
    assert (end.phase, "ValueError: boom" in end.message) == (Phase.FAILED, True)
    for node, [record] in enumerate(attempts(run)):
        assert record.failure
        assert record.failure.type == ("ValueError" if node == 2 else "metaflow_hera.errors.StepError")
        assert "boom" in record.failure.text
        if node != 2:
            assert "of which one failed: task 2: ValueError: boom" in record.failure.text
            assert load(run.store, record.artifacts["place"], "place") == (node, node, True)


def test_a_gang_of_which_one_died_is_tried_again_as_a_whole(tmp_path: Path) -> None:
    first, second = meeting(tmp_path, "first"), meeting(tmp_path, "second")
    body = f"""meet({str(tmp_path)!r} + ("/first", "/second")[current.retry_count], 4)
        if current.retry_count == 0:
            if self.index == 0: os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)"""
    run = gang(tmp_path, body, "@retry(times=1)")
    assert run.run(workers=2).phase is Phase.SUCCEEDED
    assert len(list(first.iterdir())) == len(list(second.iterdir())) == 4
    failed = [records[0].failure for records in attempts(run)]
    assert all(failure and "killed by SIGKILL" in failure.text for failure in failed)
    assert [records[-1].status for records in attempts(run)] == [TaskStatus.SUCCEEDED] * 4


def test_a_gang_takes_the_room_of_one_task(tmp_path: Path) -> None:
    folder = meeting(tmp_path)
    file = write_flow(
        tmp_path,
        f"""
        @step
        def start(self):
            self.next(self.alone, self.split)
        @step
        def alone(self):
            meet({str(folder)!r}, 4)
            self.next(self.both)
        @step
        def split(self):
            self.next(self.train, num_parallel=3)
        @parallel
        @step
        def train(self):
            meet({str(folder)!r}, 4)
            self.next(self.join)
        @step
        def join(self, inputs):
            self.next(self.both)
        @step
        def both(self, inputs):
            self.next(self.end)
        @step
        def end(self):
            pass
        """,
    )
    run = Local(with_meeting(file), tmp_path / "data")
    assert run.run(workers=2).phase is Phase.SUCCEEDED
    assert run.heard.most == 4


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from local_flows import Local
run = Local(Path(sys.argv[1]), Path(sys.argv[2]))
run.heard.printed = lambda command, stream, line: print(line, flush=True)
end = run.run(workers=1)
print(end.phase.value, end.message, end.signal, flush=True)
"""


def test_a_signal_ends_a_whole_gang(tmp_path: Path) -> None:
    gang(tmp_path, "print('here')\n        time.sleep(60)")
    places = (str(tmp_path / "tested_flow.py"), str(tmp_path / "data"), str(ROOT), str(ROOT / "tests/engine"))
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, *places], stdout=subprocess.PIPE, text=True)
    assert program.stdout
    for _ in range(4):
        assert program.stdout.readline() == "here\n"
    processes = set(filter(is_alive, children(program.pid)))
    assert len(processes) == 4
    started = time.monotonic()
    program.send_signal(signal.SIGINT)
    output, _ = program.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert output.splitlines()[-1] == "Failed interrupted 2"
    assert not any(map(is_alive, processes))
    run = Local(tmp_path / "tested_flow.py", tmp_path / "data")
    assert [[record.status for record in records] for records in attempts(run)] == [[TaskStatus.FAILED]] * 4
    end = runs.read_end(run.store, run.graph.flow, RUN)
    assert end
    assert end.message == "interrupted"
