"""Real flows on the embedded engine: code package, bootstrap, records and logs, while engines and tasks die."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from backend_plans import wait_for

from metaflow_hera import Run, deploy
from metaflow_hera.backends import Phase
from metaflow_hera.backends.engine_control import engine_status, start_engine
from metaflow_hera.deploy import DeployedFlow
from metaflow_hera.naming import RunKeys
from metaflow_hera.records import logs, runs, tasks
from metaflow_hera.records.task import TaskStatus
from metaflow_hera.settings import Settings
from metaflow_hera.store import open_store

HEAD = (
    "import json, os, signal, time\nfrom metaflow_hera import FlowSpec, JSONType, Parameter, current, retry, step\n\n\n"
)

WIDE = """
class WideFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(20))
        self.next(self.work, foreach="items")

    @retry(times=2, minutes_between_retries=0)
    @step
    def work(self):
        print("item", self.input, "attempt", current.retry_count)
        time.sleep(0.1)
        if self.input % 4 == 0 and current.retry_count == 0:
            raise RuntimeError("the first attempt fails")
        if self.input % 4 == 1 and current.retry_count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.square = self.input ** 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.squares = [each.square for each in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("sum", sum(self.squares))
"""

ECHO = """
class EchoFlow(FlowSpec):
    text = Parameter("text", default="0.5")
    data = Parameter("data", type=JSONType, default='{"a": [1]}')

    @step
    def start(self):
        self.seen = self.text
        self.next(self.end)

    @step
    def end(self):
        pass
"""

SLEEP = """
class SleepFlow(FlowSpec):
    @step
    def start(self):
        print("sleeping", flush=True)
        time.sleep(60)
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


def test_a_killed_engine_loses_no_log_and_no_record_and_repeats_no_finished_task(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    flow = deployed(tmp_path, embedded_settings, WIDE)
    run = flow.trigger()
    store, keys = open_store(embedded_settings.datastore, embedded_settings), RunKeys("WideFlow", run.run_id)
    for done in (3, 9, 15):
        wait_for(
            lambda done=done: sum(node.step == "work" and node.phase.is_final for node in run.details.nodes) >= done
        )
        pid = engine_status(embedded_settings).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: engine_status(embedded_settings).pid != pid)
        start_engine(embedded_settings)
    ended = run.wait(timeout=60)
    assert ended.successful, run.details
    assert ended.data.squares == [number**2 for number in range(20)]
    for index in range(20):
        found = tasks.attempts(store, keys, "work", str(index))
        statuses = [record.status for _, _, record in found if record]
        failing = index % 4 in (0, 1)
        assert statuses == [TaskStatus.FAILED, TaskStatus.SUCCEEDED] if failing else [TaskStatus.SUCCEEDED]
        for number, _, _ in found:
            printed = logs.read(store, keys.attempt("work", str(index), number), "stdout")
            assert printed == f"item {index} attempt {number}\n".encode()


@pytest.mark.parametrize(
    "text", ["", 'it\'s "q"\n`id` $(HOME) {{workflow.name}} {{=1}}\\ \t\r\n', "Ünï中\U0001f600", "x" * 50_000]
)
def test_a_value_reaches_the_flow_byte_for_byte(tmp_path: Path, embedded_settings: Settings, text: str) -> None:
    flow = deployed(tmp_path, embedded_settings, ECHO)
    data = {"{{item}}": ["'", text]}
    run = flow.trigger(text=text, data=data).wait(timeout=60)
    assert (run.data.seen, run.data.data) == (text, data)


def test_the_default_of_a_parameter_is_used(tmp_path: Path, embedded_settings: Settings) -> None:
    run = deployed(tmp_path, embedded_settings, ECHO).trigger().wait(timeout=60)
    assert (run.data.text, run.data.data) == ("0.5", json.loads('{"a": [1]}'))


def test_a_terminated_run_has_a_final_status_in_the_store_and_its_task_a_record(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    run = deployed(tmp_path, embedded_settings, SLEEP).trigger()
    store, keys = open_store(embedded_settings.datastore, embedded_settings), RunKeys("SleepFlow", run.run_id)
    wait_for(lambda: logs.read(store, keys.attempt("start", "0", 0), "stdout"))
    run.terminate()
    wait_for(lambda: run.status.is_final)
    assert run.status is Phase.FAILED
    end = runs.read_end(store, "SleepFlow", run.run_id)
    assert end and end.status == "Failed"
    [(_, _, record)] = tasks.attempts(store, keys, "start", "0")
    assert record and record.status is TaskStatus.FAILED
    assert isinstance(run.run, Run) and run.run.finished


def test_the_status_of_a_failed_run_says_what_went_wrong_in_the_step(
    tmp_path: Path, embedded_settings: Settings
) -> None:
    flow = deployed(tmp_path, embedded_settings, SLEEP.replace("time.sleep(60)", "raise KeyError('no such column')"))
    run = flow.trigger()
    wait_for(lambda: run.status.is_final)
    assert "KeyError: 'no such column'" in run.details.nodes[0].message
    assert "KeyError: 'no such column'" in run.details.message
