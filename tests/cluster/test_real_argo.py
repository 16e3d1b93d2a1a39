"""What ``mfhera compile`` writes, applied to a real Argo, and read back by the Client from the same bucket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import Run, Task, namespace

FLOWS = Path(__file__).parent / "flows"
SEED = Path(__file__).parents[2] / "examples" / "seed"


@pytest.fixture(autouse=True)
def everything_is_visible() -> None:
    namespace(None)


def run_of(flow: str, workflow: str) -> Run:
    return Run(f"{flow}/argo-{workflow}")


def most_pods_at_once(pods: list[dict[str, Any]]) -> int:
    """By the times between which each pod's main container ran."""
    changes = []
    for pod in pods:
        main = next(status for status in pod["status"]["containerStatuses"] if status["name"] == "main")
        ended = main["state"]["terminated"]
        changes += [(datetime.fromisoformat(ended["startedAt"]), 1), (datetime.fromisoformat(ended["finishedAt"]), -1)]
    return max(accumulate(change for _, change in sorted(changes)))


@pytest.mark.parametrize("image", ["python:3.11", "python:3.11-bare"])
def test_the_seeds_flow_runs_in_pods_and_is_read_by_the_client(
    cluster: Any, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    monkeypatch.setenv("MFHERA_IMAGE", image)
    template = cluster.compile(SEED / "parameter_flow.py", "parameterflow", "--with", "retry")
    workflow = cluster.submit(template, alpha=0.5)

    assert cluster.wait(workflow) == "Succeeded"

    run = run_of("ParameterFlow", workflow)
    assert run.successful
    assert run.data.alpha == 0.5
    assert run["start"].task.stdout == "alpha is 0.500000\n"
    assert run["end"].task.stdout == "alpha is still 0.500000\n"


def test_hostile_parameter_values_arrive_byte_for_byte(cluster: Any) -> None:
    template = cluster.compile(FLOWS / "echo.py", "echoflow")
    value = "'\"`echo x` $(HOME) $HOME {{workflow.name}} {{=1+1}} \\ \n\t héllo ☃ "
    workflow = cluster.submit(template, text=value, empty="")

    assert cluster.wait(workflow) == "Succeeded"

    data = run_of("EchoFlow", workflow).data
    assert (data.text, data.empty) == (value, "")


def test_a_foreach_of_20_retries_and_keeps_its_limit_of_pods(cluster: Any) -> None:
    template = cluster.compile(FLOWS / "flaky.py", "flakyflow", "--max-workers", "4")
    workflow = cluster.submit(template, width=20)

    assert cluster.wait(workflow, seconds=580) == "Succeeded"

    run = run_of("FlakyFlow", workflow)
    attempts = [1 if index % 3 == 0 else 0 for index in range(20)]
    assert run.data.results == [(index, index * 10, attempts[index]) for index in range(20)]
    work = [pod for pod in cluster.pods(workflow) if "-work-" in pod["metadata"]["name"]]
    assert len(work) == 20 + sum(attempts)
    assert most_pods_at_once(work) <= 4
    flaky = run["work"]["3"]
    assert flaky.current_attempt == 1
    assert flaky.stdout == "item 3 attempt 1\n"


def test_argo_retry_keeps_the_earlier_attempts(cluster: Any, argo: Callable[..., str]) -> None:
    template = cluster.compile(FLOWS / "failing.py", "failingflow")
    workflow = cluster.submit(template)
    assert cluster.wait(workflow) == "Failed"
    failed = run_of("FailingFlow", workflow)
    assert failed.finished
    assert not failed.successful
    assert "attempt 0 fails" in str(failed.exception)

    argo("retry", workflow)
    assert cluster.wait(workflow) == "Succeeded"

    run = run_of("FailingFlow", workflow)
    assert run.successful
    task = run["shaky"].task
    assert task.current_attempt == 1
    earlier = Task(task.pathspec, attempt=0)
    assert not earlier.successful
    assert earlier.stdout == "attempt 0\n"
    assert (task.data.before, task.data.seen) == ("kept", 1)
    assert task.stdout == "attempt 1\n"


@pytest.mark.parametrize("verb", ["stop", "terminate"])
def test_a_run_that_is_ended_by_hand_has_a_final_status(cluster: Any, argo: Callable[..., str], verb: str) -> None:
    template = cluster.compile(FLOWS / "sleeping.py", "sleepingflow")
    workflow = cluster.submit(template)

    def is_asleep() -> bool:
        pods = cluster.pods(workflow)
        return any(pod["status"]["phase"] == "Running" for pod in pods)

    cluster.wait(workflow, until=is_asleep)
    argo(verb, workflow)
    assert cluster.wait(workflow) == "Failed"

    run = run_of("SleepingFlow", workflow)
    assert run.finished
    assert not run.successful
    assert "SIGTERM" in str(run["start"].task.exception)
