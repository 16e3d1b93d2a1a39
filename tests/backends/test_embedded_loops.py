"""Loops, gangs and dying processes on the embedded engine, in real containers' commands."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from backend_plans import wait_for

from metaflow_hera import Run, deploy
from metaflow_hera.backends.engine_control import engine_status, start_engine
from metaflow_hera.client import namespace
from metaflow_hera.deploy import DeployedFlow
from metaflow_hera.engine.pods import PODS_AT_ONCE
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import logs, tasks
from metaflow_hera.records.task import TaskStatus
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

HEAD = """
import json, os, signal, time
from pathlib import Path
from metaflow_hera import FlowSpec, Parameter, catch, current, parallel, retry, step

"""

LOOP = """
class LoopFlow(FlowSpec):
    here = Parameter("here")

    @step
    def start(self):
        self.count = 0
        self.next(self.again)

    @step
    def again(self):
        print("iteration", self.count)
        if self.count == 30 and current.retry_count == 0:
            Path(self.here).write_text(str(os.getpid()))
            time.sleep(60)
        self.count += 1
        self.goes_on = self.count < 60
        self.next({True: self.again, False: self.end}, condition="goes_on")

    @step
    def end(self):
        pass
"""

GANG = f"""
class GangFlow(FlowSpec):
    meeting = Parameter("meeting")

    @step
    def start(self):
        self.next(self.train, num_parallel={PODS_AT_ONCE + 2})

    @retry(times=1, minutes_between_retries=0)
    @parallel
    @step
    def train(self):
        folder = Path(self.meeting, str(current.retry_count))
        folder.mkdir(exist_ok=True)
        (folder / str(self.index)).touch()
        while len(list(folder.iterdir())) < current.parallel.num_nodes:
            time.sleep(0.02)
        if current.retry_count == 0:
            if self.index == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        self.told = tuple(current.parallel)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.told = [each.told for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass
"""

DYING = """
class DyingFlow(FlowSpec):
    @catch(var="caught")
    @step
    def start(self):
        print("last words")
        os.kill(os.getpid(), signal.SIGSEGV)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def deployed(tmp_path: Path, settings: Settings, source: str) -> DeployedFlow:
    folder = tmp_path / "flow"
    folder.mkdir()
    (folder / "the_flow.py").write_text(HEAD + source)
    return deploy(folder / "the_flow.py", settings=settings)


def lose_everything(settings: Settings, pid: int) -> None:
    """Kill the engine, and whatever leads from it to that process, as a machine that loses its power does."""
    engine = engine_status(settings).pid
    assert engine
    family = [pid]
    while (parent := int(Path(f"/proc/{family[-1]}/stat").read_text().rpartition(")")[2].split()[1])) > 1:
        if parent in (engine, os.getpid()):
            break
        family.append(parent)
    for each in (engine, *family[::-1]):
        os.kill(each, signal.SIGKILL)
    wait_for(lambda: engine_status(settings).pid != engine)


def test_a_loop_goes_on_with_the_iteration_that_ran_when_everything_was_killed(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    here = tmp_path / "here"
    run = deployed(tmp_path, embedded_settings, LOOP).trigger(here=str(here))
    wait_for(lambda: here.exists() and here.read_text())
    lose_everything(embedded_settings, int(here.read_text()))
    start_engine(embedded_settings)
    ended = run.wait(timeout=60)
    assert ended.successful, run.details
    assert ended.data.count == 60
    store, keys = open_store(embedded_settings.datastore, embedded_settings), RunKeys("LoopFlow", run.run_id)
    for number in range(60):
        found = tasks.attempts(store, keys, "again", f"0~{number}")
        statuses = [record and record.status for _, _, record in found]
        assert statuses == [*([None] if number == 30 else []), TaskStatus.SUCCEEDED]
        printed = logs.read(store, keys.attempt("again", f"0~{number}", found[-1][0]), "stdout")
        assert printed == f"iteration {number}\n".encode()


def test_a_gang_runs_at_once_and_is_tried_again_as_a_whole(tmp_path: Path, embedded_settings: Settings) -> None:
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    run = deployed(tmp_path, embedded_settings, GANG).trigger(meeting=str(meeting))
    ended = run.wait(timeout=90)
    assert ended.successful, run.details
    count = PODS_AT_ONCE + 2
    assert ended["join"].task.data.told == [("127.0.0.1", count, node, "0") for node in range(count)]
    store, keys = open_store(embedded_settings.datastore, embedded_settings), RunKeys("GangFlow", run.run_id)
    for node in range(count):
        [(_, _, first), (_, _, second)] = tasks.attempts(store, keys, "train", str(node))
        assert first
        assert first.failure
        assert "killed by SIGKILL" in first.failure.text
        assert second
        assert second.status is TaskStatus.SUCCEEDED


def test_catch_stands_in_for_a_process_that_died(tmp_path: Path, embedded_settings: Settings) -> None:
    run = deployed(tmp_path, embedded_settings, DYING).trigger()
    ended = run.wait(timeout=60)
    assert ended.successful, run.details
    store, keys = open_store(embedded_settings.datastore, embedded_settings), RunKeys("DyingFlow", run.run_id)
    [(_, _, died), (_, _, stood_in)] = tasks.attempts(store, keys, "start", "0")
    assert died
    assert died.failure
    assert "killed by SIGSEGV: a segmentation fault" in died.failure.text
    assert b"killed by SIGSEGV" in logs.read(store, keys.attempt("start", "0", 0), "stderr")
    assert logs.read(store, keys.attempt("start", "0", 0), "stdout") == b"last words\n"
    assert stood_in
    assert stood_in.status is TaskStatus.SUCCEEDED
    namespace(None)
    task = Run(f"DyingFlow/{run.run_id}")["start"].task
    assert task.exception is None
    assert task.data.caught.type == "metaflow.plugins.catch_decorator.FailureHandledByCatch"


def test_a_death_is_what_the_status_and_the_task_tell(tmp_path: Path, embedded_settings: Settings) -> None:
    run = deployed(tmp_path, embedded_settings, DYING.replace('@catch(var="caught")', "")).trigger()
    wait_for(lambda: run.status.is_final)
    assert "killed by SIGSEGV" in run.details.nodes[0].message
    namespace(None)
    exception = Run(f"DyingFlow/{run.run_id}")["start"].task.exception
    assert exception
    assert "killed by SIGSEGV" in exception.text
