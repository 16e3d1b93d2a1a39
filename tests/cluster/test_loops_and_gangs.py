"""Steps that come after themselves, and steps that run several times at once, in pods of a real Argo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from metaflow_hera import Run, namespace

FLOWS = Path(__file__).parent / "flows"


@pytest.fixture(autouse=True)
def everything_is_visible() -> None:
    namespace(None)


def test_a_loop_runs_in_one_pod_and_a_retry_goes_on_with_the_iteration_that_failed(cluster: Any) -> None:
    template = cluster.compile(FLOWS / "looping.py", "loopingflow")
    workflow = cluster.submit(template)

    assert cluster.wait(workflow) == "Succeeded"

    run = Run(f"LoopingFlow/argo-{workflow}")
    assert run.data.count == 20
    iterations = {task.id: task for task in run["again"]}
    assert set(iterations) == {f"0~{number}" for number in range(20)}
    for number in range(20):
        task = iterations[f"0~{number}"]
        assert task.data.count == number + 1
        assert task.stdout == f"iteration {number}\n"
        assert task.current_attempt == (1 if number == 12 else 0)
    pods = [pod for pod in cluster.pods(workflow) if "-again-" in pod["metadata"]["name"]]
    assert len(pods) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_gang_of_three_talk_to_each_other_and_are_tried_again_together(cluster: Any, fails: bool) -> None:
    template = cluster.compile(FLOWS / "ganging.py", "gangingflow")
    workflow = cluster.submit(template, fails=fails)

    assert cluster.wait(workflow) == "Succeeded"

    run = Run(f"GangingFlow/argo-{workflow}")
    assert run["join"].task.data.heard == [["1", "2"], [], []]
    assert len(run["join"].task.data.mains) == 1
    attempt = 1 if fails else 0
    assert [task.current_attempt for task in run["train"]] == [attempt] * 3
    if fails:
        [told] = {task.attempts[0].exception.text for task in run["train"] if task.id != "1"}
        assert "of which one failed: task 1: RuntimeError: this one fails" in told
