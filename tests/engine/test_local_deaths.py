"""Local runs of steps whose processes die."""

from __future__ import annotations

from pathlib import Path

import pytest
from local_flows import RUN, Local, write_flow

from metaflow_hera.client import Task, namespace
from metaflow_hera.engine.phases import Phase
from metaflow_hera.records import logs, tasks
from metaflow_hera.records.task import TaskStatus

DYING = """
    DECORATORS
    @step
    def start(self):
        print("last words")
        DIE
        self.next(self.end)
    @step
    def end(self):
        pass
"""

DEATHS = [
    ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL: it may have used more memory than there is"),
    ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV: a segmentation fault"),
    ("os._exit(3)", "ended with exit code 3 before the step was over"),
]


def dying(tmp_path: Path, die: str, decorators: str) -> Local:
    file = write_flow(tmp_path, DYING.replace("DIE", die).replace("DECORATORS", decorators))
    file.write_text(f"from metaflow_hera import catch\n{file.read_text()}")
    namespace(None)
    return Local(file, tmp_path / "data")


@pytest.mark.parametrize(("die", "told"), DEATHS)
def test_a_death_is_told_wherever_the_failure_of_a_step_is(tmp_path: Path, die: str, told: str) -> None:
    run = dying(tmp_path, die, "")
    end = run.run()
    assert (end.phase, told in end.message) == (Phase.FAILED, True)
    assert ("start/0", "stdout", "last words") in run.heard.lines
    assert any(stream == "stderr" and told in line for _, stream, line in run.heard.lines)
    assert told.encode() in logs.read(run.store, run.keys.attempt("start", "0", 0), "stderr")
    task = Task(f"TestedFlow/{RUN}/start/0", store=run.store)
    assert task.exception
    assert told in task.exception.text


@pytest.mark.parametrize("times", [0, 2])
def test_catch_stands_in_for_it_when_all_attempts_are_used_up(tmp_path: Path, times: int) -> None:
    die, told = DEATHS[0]
    run = dying(tmp_path, die, f'@catch(var="caught", print_exception=False)\n    @retry(times={times})')
    assert run.run().phase is Phase.SUCCEEDED
    records = [record for _, _, record in tasks.attempts(run.store, run.keys, "start", "0")]
    assert [record and record.status for record in records] == [
        *[TaskStatus.FAILED] * (times + 1),
        TaskStatus.SUCCEEDED,
    ]
    assert all(record and record.failure and told in record.failure.text for record in records[:-1])
    task = Task(f"TestedFlow/{RUN}/start/0", store=run.store)
    assert task.exception is None
    assert task.data.caught.type == "metaflow.plugins.catch_decorator.FailureHandledByCatch"
    assert f"over {times + 1} attempts" in task.data.caught.exception
