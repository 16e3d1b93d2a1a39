"""Tasks of a gang in containers: how they find the first of them, and what they say where that is not to be."""

from __future__ import annotations

import socket
from pathlib import Path

from containers import Deployment, deploy

from metaflow_hera.records import gangs
from metaflow_hera.records.task import TaskStatus
from metaflow_hera.runtime.gang import own_address
from metaflow_hera.store import Store

GANG = """
import os, signal, time

class F(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=3)

    @kubernetes(hostname_resolution_timeout=1)
    @parallel
    @step
    def train(self):
        self.told = tuple(current.parallel)
        {body}
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


def deploy_gang(store: Store, tmp_path: Path, body: str = "pass") -> Deployment:
    source = "from metaflow_hera import kubernetes, parallel\n" + GANG.format(body=body)
    deployment = deploy(store, tmp_path, source)
    assert deployment.run("start").splits == "3"
    return deployment


def failure(deployment: Deployment, path: str, attempt: int = 0) -> str:
    record = deployment.record("train", path, attempt)
    assert record.status is TaskStatus.FAILED
    assert record.failure is not None
    return record.failure.text


def test_the_first_task_says_where_it_runs_and_the_others_find_it(store: Store, tmp_path: Path) -> None:
    deployment = deploy_gang(store, tmp_path)
    waiting = [deployment.begin(deployment.command("train", path)) for path in ("2", "0", "1")]
    for process in waiting:
        done = deployment.end(process)
        assert done.code == 0, done.stderr
    for node in range(3):
        assert deployment.artifact("train", "told", str(node)) == ("127.0.0.1", 3, node, "0")


def test_a_gang_whose_first_task_does_not_start_says_what_to_do(directory_store: Store, tmp_path: Path) -> None:
    deployment = deploy_gang(directory_store, tmp_path)
    done = deployment.run("train", "1")
    assert done.code == 1
    told = failure(deployment, "1")
    assert "the first of the 3 tasks of its num_parallel has not started within 1 seconds" in told
    assert "hostname_resolution_timeout" in told


def test_who_comes_after_the_gang_broke_gives_up_at_once_and_meets_the_next_attempt(
    directory_store: Store, tmp_path: Path
) -> None:
    deployment = deploy_gang(directory_store, tmp_path, "1 / current.retry_count")
    assert deployment.run("train", "0").code == 1
    assert deployment.run("train", "2").code == 1
    assert "of which one failed: task 0: ZeroDivisionError: division by zero" in failure(deployment, "2")
    first = deployment.begin(deployment.command("train", "2", attempt=1))
    assert deployment.run("train", "0", attempt=1).code == 0
    assert deployment.end(first).code == 0
    assert deployment.artifact("train", "told", "2", 1) == ("127.0.0.1", 3, 2, "0")


def test_who_does_not_end_is_killed_when_another_one_died(directory_store: Store, tmp_path: Path) -> None:
    body = "os.kill(os.getpid(), 9) if current.parallel.node_index else time.sleep(60)"
    deployment = deploy_gang(directory_store, tmp_path, body)
    first = deployment.begin(deployment.command("train", "0"))
    assert deployment.run("train", "1").code == 1
    assert deployment.end(first, timeout=30).code == 1
    assert "of which one failed: task 1: the task's process was killed by SIGKILL" in failure(deployment, "0")


def test_the_first_reason_of_a_gang_stays(store: Store) -> None:
    assert gangs.why_broken(store, "F/broken") is None
    gangs.break_up(store, "F/broken", "the first")
    gangs.break_up(store, "F/broken", "the second")
    assert gangs.why_broken(store, "F/broken") == "the first"


def test_the_own_address_is_the_one_that_leads_to_the_cluster() -> None:
    assert own_address("") == "127.0.0.1"
    assert own_address("127.0.0.1") == "127.0.0.1"
    if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
        assert own_address("::1") == "::1"
